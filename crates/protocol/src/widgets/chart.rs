//! Charts, which only the server SDK's list of components has.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::component::{component, part, setter, tokens};
use super::{Color, Length};

component! {
    /// A chart of bars, lines and areas over a shared axis.
    Chart = "Chart", "Chart::unknown" {
        required {
            /// The rows: strings and numbers by field name.
            data: Vec<Map<String, Value>>,
            /// How fields of the rows are drawn.
            series: Vec<Series>,
            /// The field along the horizontal axis.
            x_axis: XAxis,
        }
        optional {
            /// Draws the vertical axis.
            show_y_axis: bool,
            /// Draws a legend.
            show_legend: bool,
            /// Shows values under the pointer.
            show_tooltip: bool,
            /// Pixels between the bars of one category.
            bar_gap: Length,
            /// Pixels between categories.
            bar_category_gap: Length,
            /// Share of the free space, or a CSS `flex` value.
            flex: Length,
            /// Height: pixels or CSS.
            height: Length,
            /// Width: pixels or CSS.
            width: Length,
            /// Width and height at once: pixels or CSS.
            size: Length,
            /// Least height: pixels or CSS.
            min_height: Length,
            /// Least width: pixels or CSS.
            min_width: Length,
            /// Least width and height: pixels or CSS.
            min_size: Length,
            /// Greatest height: pixels or CSS.
            max_height: Length,
            /// Greatest width: pixels or CSS.
            max_width: Length,
            /// Greatest width and height: pixels or CSS.
            max_size: Length,
            /// Width to height: a number, or CSS such as `16/9`.
            aspect_ratio: Length,
        }
    }
}

open_union! {
    /// How one field of a chart's rows is drawn.
    pub enum Series {
        /// As bars.
        "bar" => Bar(BarSeries),
        /// As a filled curve.
        "area" => Area(AreaSeries),
        /// As a curve.
        "line" => Line(LineSeries),
    }
}

part! {
    /// Bars.
    BarSeries {
        required {
            /// The field with the numbers.
            data_key: String,
        }
        optional {
            /// Name in the legend.
            label: String,
            /// Series with the same name are stacked.
            stack: String,
            /// A chart token (`blue`, `purple`, `orange`, `green`, `red`, `yellow`, `pink`), a
            /// palette token, CSS, or one for each theme; in turn when absent.
            color: Color,
        }
    }
}

part! {
    /// A filled curve.
    AreaSeries {
        required {
            /// The field with the numbers.
            data_key: String,
        }
        optional {
            /// Name in the legend.
            label: String,
            /// Series with the same name are stacked.
            stack: String,
            /// As [`BarSeries::color`].
            color: Color,
            /// How points are joined.
            curve_type: CurveType,
        }
    }
}

part! {
    /// A curve.
    LineSeries {
        required {
            /// The field with the numbers.
            data_key: String,
        }
        optional {
            /// Name in the legend.
            label: String,
            /// As [`BarSeries::color`].
            color: Color,
            /// How points are joined.
            curve_type: CurveType,
        }
    }
}

/// The horizontal axis of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected an axis: a field name or an object with a `dataKey`")]
pub enum XAxis {
    /// The field along the axis.
    Key(String),
    /// The field and how it is shown.
    Config(XAxisConfig),
}

impl Default for XAxis {
    fn default() -> Self {
        Self::Key(String::new())
    }
}

impl From<&str> for XAxis {
    fn from(data_key: &str) -> Self {
        Self::Key(data_key.to_owned())
    }
}

impl From<XAxisConfig> for XAxis {
    fn from(config: XAxisConfig) -> Self {
        Self::Config(config)
    }
}

part! {
    /// The field along the horizontal axis and how it is shown.
    XAxisConfig {
        required {
            /// The field along the axis.
            data_key: String,
        }
        optional {
            /// Leaves out the line, its ticks and labels.
            hide: bool,
            /// What to write in place of a value.
            labels: BTreeMap<String, String>,
        }
    }
}

tokens! {
    /// How the points of a curve are joined.
    CurveType {
        Basis = "basis",
        BasisClosed = "basisClosed",
        BasisOpen = "basisOpen",
        BumpX = "bumpX",
        BumpY = "bumpY",
        Bump = "bump",
        Linear = "linear",
        LinearClosed = "linearClosed",
        Natural = "natural",
        MonotoneX = "monotoneX",
        MonotoneY = "monotoneY",
        Monotone = "monotone",
        Step = "step",
        StepBefore = "stepBefore",
        StepAfter = "stepAfter",
    }
}
