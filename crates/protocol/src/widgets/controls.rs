//! Buttons and form fields.

use super::component::{component, part, setter, tokens};
use super::{
    Color, ControlSize, ControlVariant, Direction, FieldVariant, FontWeight, GutterSize, TextAlign,
    TextSize,
};
use crate::{ActionConfig, Icon};

component! {
    /// A button.
    Button = "Button", "Button::unknown" {
        required {}
        optional {
            /// Sends the form around it.
            submit: bool,
            /// Text on the button.
            label: String,
            /// What a click does.
            on_click_action: ActionConfig,
            /// Icon before the text.
            icon_start: Icon,
            /// Icon after the text.
            icon_end: Icon,
            /// A ready-made look.
            style: ButtonStyle,
            /// Size of the icons.
            icon_size: ButtonIconSize,
            /// Colour.
            color: ButtonColor,
            /// Look.
            variant: ControlVariant,
            /// Size.
            size: ControlSize,
            /// Fully rounded.
            pill: bool,
            /// As wide as high, for a lone icon.
            uniform: bool,
            /// As wide as its container.
            block: bool,
            /// Does nothing and looks so.
            disabled: bool,
        }
    }
}

component! {
    /// A field to choose one of several options.
    Select = "Select", "Select::unknown" {
        required {
            /// Name of the field in the form.
            name: String,
            /// What can be chosen.
            options: Vec<SelectOption>,
        }
        optional {
            /// What a change does.
            on_change_action: ActionConfig,
            /// Shown while nothing is chosen.
            placeholder: String,
            /// Value chosen at first.
            default_value: String,
            /// Look.
            variant: ControlVariant,
            /// Size.
            size: ControlSize,
            /// Fully rounded.
            pill: bool,
            /// As wide as its container.
            block: bool,
            /// Offers to choose nothing again.
            clearable: bool,
            /// Cannot be changed and looks so.
            disabled: bool,
            /// Offers a search among the options. Known to the server SDK only.
            searchable: bool,
        }
    }
}

component! {
    /// A field for a date.
    DatePicker = "DatePicker", "DatePicker::unknown" {
        required {
            /// Name of the field in the form.
            name: String,
        }
        optional {
            /// What a change does.
            on_change_action: ActionConfig,
            /// Shown while it is empty.
            placeholder: String,
            /// Date at first: ISO 8601.
            default_value: String,
            /// Earliest date: ISO 8601.
            min: String,
            /// Latest date: ISO 8601.
            max: String,
            /// Look.
            variant: ControlVariant,
            /// Size.
            size: ControlSize,
            /// On which side the calendar opens.
            side: DatePickerSide,
            /// How the calendar is placed along that side.
            align: TextAlign,
            /// Fully rounded.
            pill: bool,
            /// As wide as its container.
            block: bool,
            /// Offers to empty it again.
            clearable: bool,
            /// Cannot be changed and looks so.
            disabled: bool,
        }
    }
}

component! {
    /// A field to tick.
    Checkbox = "Checkbox", "Checkbox::unknown" {
        required {
            /// Name of the field in the form.
            name: String,
        }
        optional {
            /// Text beside it.
            label: String,
            /// Ticked at first.
            default_checked: bool,
            /// What a change does.
            on_change_action: ActionConfig,
            /// Cannot be changed and looks so.
            disabled: bool,
            /// Must be ticked to send the form.
            required: bool,
        }
    }
}

component! {
    /// A field for a line of text.
    Input = "Input", "Input::unknown" {
        required {
            /// Name of the field in the form.
            name: String,
        }
        optional {
            /// What kind of text it takes.
            input_type: InputType,
            /// Text at first.
            default_value: String,
            /// Must not be empty.
            required: bool,
            /// Regular expression that the text has to match.
            pattern: String,
            /// Shown while it is empty.
            placeholder: String,
            /// Lets password managers and the like in.
            allow_autofill_extensions: bool,
            /// Selects all text when it appears.
            auto_select: bool,
            /// Takes the focus when it appears.
            auto_focus: bool,
            /// Cannot be changed and looks so.
            disabled: bool,
            /// Look.
            variant: FieldVariant,
            /// Size.
            size: ControlSize,
            /// Space between the edge and the text.
            gutter_size: GutterSize,
            /// Fully rounded.
            pill: bool,
        }
    }
}

component! {
    /// The name of a field, shown to the user.
    Label = "Label", "Label::unknown" {
        required {
            /// The text.
            value: String,
            /// The `name` of the field it belongs to.
            field_name: String,
        }
        optional {
            /// Size of the letters.
            size: TextSize,
            /// Thickness of the letters.
            weight: FontWeight,
            /// Horizontal placement.
            text_align: TextAlign,
            /// As [`super::Text::color`].
            color: Color,
        }
    }
}

component! {
    /// A field to choose one of several options that are all in view.
    RadioGroup = "RadioGroup", "RadioGroup::unknown" {
        required {
            /// Name of the field in the form.
            name: String,
        }
        optional {
            /// What can be chosen.
            options: Vec<RadioOption>,
            /// Name for screen readers; `name` when absent.
            aria_label: String,
            /// What a change does.
            on_change_action: ActionConfig,
            /// Value chosen at first.
            default_value: String,
            /// Which way options are laid out.
            direction: Direction,
            /// Cannot be changed and looks so.
            disabled: bool,
            /// Must be chosen to send the form.
            required: bool,
        }
    }
}

component! {
    /// A field for several lines of text.
    Textarea = "Textarea", "Textarea::unknown" {
        required {
            /// Name of the field in the form.
            name: String,
        }
        optional {
            /// Text at first.
            default_value: String,
            /// Must not be empty.
            required: bool,
            /// Regular expression that the text has to match.
            pattern: String,
            /// Shown while it is empty.
            placeholder: String,
            /// Selects all text when it appears.
            auto_select: bool,
            /// Takes the focus when it appears.
            auto_focus: bool,
            /// Cannot be changed and looks so.
            disabled: bool,
            /// Look.
            variant: FieldVariant,
            /// Size.
            size: ControlSize,
            /// Space between the edge and the text.
            gutter_size: GutterSize,
            /// Lines in view at first.
            rows: u32,
            /// Grows and shrinks with its text.
            auto_resize: bool,
            /// Lines in view at most when it grows.
            max_rows: u32,
            /// Lets password managers and the like in.
            allow_autofill_extensions: bool,
        }
    }
}

part! {
    /// An option of a [`Select`].
    SelectOption {
        required {
            /// What is sent.
            value: String,
            /// What is shown.
            label: String,
        }
        optional {
            /// Cannot be chosen.
            disabled: bool,
            /// Shown below the label.
            description: String,
        }
    }
}

part! {
    /// An option of a [`RadioGroup`].
    RadioOption {
        required {
            /// What is shown.
            label: String,
            /// What is sent.
            value: String,
        }
        optional {
            /// Cannot be chosen.
            disabled: bool,
        }
    }
}

tokens! {
    /// A ready-made look of a button.
    ButtonStyle {
        Primary = "primary",
        Secondary = "secondary",
    }
}

tokens! {
    /// Size of a button's icons.
    ButtonIconSize {
        Sm = "sm",
        Md = "md",
        Lg = "lg",
        Xl = "xl",
        Xl2 = "2xl",
    }
}

tokens! {
    /// Colour of a button.
    ButtonColor {
        Primary = "primary",
        Secondary = "secondary",
        Info = "info",
        Discovery = "discovery",
        Success = "success",
        Caution = "caution",
        Warning = "warning",
        Danger = "danger",
    }
}

tokens! {
    /// What kind of text an input takes.
    InputType {
        Number = "number",
        Email = "email",
        Text = "text",
        Password = "password",
        Tel = "tel",
        Url = "url",
    }
}

tokens! {
    /// On which side a date picker's calendar opens.
    DatePickerSide {
        Top = "top",
        Bottom = "bottom",
        Left = "left",
        Right = "right",
    }
}
