//! Tables, which only the element's list of components has.

use super::component::{component, setter, tokens};
use super::{Length, Spacing, TextAlign, WidgetComponent};

component! {
    /// A table.
    Table = "Table", "Table::unknown" {
        required {}
        optional {
            /// The rows.
            children: Vec<TableRow>,
        }
    }
}

component! {
    /// A row of a [`Table`].
    TableRow = "Table.Row", "TableRow::unknown" {
        required {}
        optional {
            /// The cells.
            children: Vec<TableCell>,
            /// Makes it a heading row.
            header: bool,
        }
    }
}

component! {
    /// A cell of a [`TableRow`].
    TableCell = "Table.Cell", "TableCell::unknown" {
        required {}
        optional {
            /// The components inside.
            children: Vec<WidgetComponent>,
            /// Width: pixels or CSS.
            width: Length,
            /// Space inside each edge.
            padding: Spacing,
            /// How many columns it spans.
            col_span: u32,
            /// How many rows it spans.
            row_span: u32,
            /// Horizontal placement of the content.
            align: TextAlign,
            /// Vertical placement of the content.
            v_align: TextAlign,
            /// Width of the column.
            col_size: TableColSize,
        }
    }
}

tokens! {
    /// Width of a table's column.
    TableColSize {
        Xs = "xs",
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Xl = "xl",
    }
}
