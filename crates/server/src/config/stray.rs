//! Environment variables that look like settings and are none.

use std::{collections::BTreeMap, fmt};

use super::{CONFIG_FILE, VARIABLES};

/// A variable whose name begins like those of settings, and which none reads.
#[derive(Debug, PartialEq, Eq)]
pub struct StrayVariable {
    name: String,
    /// The setting that is probably meant.
    meant: Option<&'static str>,
}

impl fmt::Display for StrayVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment variable {} is no setting", self.name)?;
        match self.meant {
            Some(meant) => write!(f, " (did you mean {meant}?)"),
            None => Ok(()),
        }
    }
}

/// The variables in `environment` that look like a setting of one name, as `PARLOR_LISTEN` is, and
/// are none. Those of sections, as `PARLOR_MODEL__NAME`, are checked when the configuration is read.
///
/// They are no errors: an orchestrator sets variables for each service that runs beside the program,
/// and those of a service named `parlor` begin with `PARLOR_`. Names of that form are left out.
pub fn stray_variables(environment: &BTreeMap<String, String>) -> Vec<StrayVariable> {
    let known = || {
        let settings = VARIABLES.iter().flat_map(|(names, _)| *names).copied();
        settings.filter(|name| name.starts_with("PARLOR_")).chain([CONFIG_FILE])
    };
    environment
        .keys()
        .filter(|name| name.starts_with("PARLOR_") && !name.contains("__"))
        .filter(|name| !is_of_a_service(name) && known().all(|known| known != name.as_str()))
        .map(|name| {
            let closest = known()
                .map(|known| (strsim::jaro_winkler(name, known), known))
                .max_by(|(one, _), (other, _)| one.total_cmp(other));
            let meant = closest.filter(|(likeness, _)| *likeness > 0.92).map(|(_, known)| known);
            StrayVariable { name: name.clone(), meant }
        })
        .collect()
}

/// `PARLOR_SERVICE_HOST`, `PARLOR_PORT`, `PARLOR_PORT_8000_TCP_ADDR` and their like.
fn is_of_a_service(name: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strays(names: &[&str]) -> Vec<String> {
        let environment = names.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect();
        stray_variables(&environment).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_misspelt_variable_is_named_with_what_was_meant() {
        assert_eq!(
            strays(&["PARLOR_LISTN", "PARLOR_MODEL_NAME", "PARLOR_ZEBRA"]),
            [
                "the environment variable PARLOR_LISTN is no setting (did you mean PARLOR_LISTEN?)",
                "the environment variable PARLOR_MODEL_NAME is no setting (did you mean PARLOR_MODEL?)",
                "the environment variable PARLOR_ZEBRA is no setting",
            ]
        );
    }

    #[test]
    fn settings_and_what_an_orchestrator_sets_are_not_stray() {
        let names = [
            "PARLOR_LISTEN",
            "PARLOR_CONFIG",
            "PARLOR_MODEL__NAME",
            "PARLOR_PORT",
            "PARLOR_PORT_8000_TCP_PROTO",
            "PARLOR_SERVICE_HOST",
            "PARLOR_SERVICE_PORT_HTTP",
            "PATH",
        ];
        assert_eq!(strays(&names), [""; 0]);
    }
}
