//! Points in time, always UTC on the wire.

use std::{fmt, time::Duration};

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Timelike, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time with microseconds, written as RFC 3339 with `Z`.
///
/// The official Python models write local time without a zone; such a value is read as UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

/// The first and the last point in time that RFC 3339 can write, in microseconds.
const WRITABLE: (i64, i64) = (-62_167_219_200_000_000, 253_402_300_799_999_999);

impl Timestamp {
    /// The point in time as chrono's type.
    pub fn as_datetime(self) -> DateTime<Utc> {
        self.0
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub fn as_micros(self) -> i64 {
        self.0.timestamp_micros()
    }

    /// From microseconds since 1970-01-01T00:00:00Z; `None` beyond chrono's range.
    pub fn from_micros(micros: i64) -> Option<Self> {
        DateTime::from_timestamp_micros(micros).map(Self)
    }

    /// So much later, but no later than the end of the year 9999.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        self.moved(i64::saturating_add, by)
    }

    /// So much earlier, but no earlier than the beginning of the year 0.
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        self.moved(i64::saturating_sub, by)
    }

    fn moved(self, how: fn(i64, i64) -> i64, by: Duration) -> Self {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        let micros = how(self.as_micros(), by).clamp(WRITABLE.0, WRITABLE.1);
        Self::from_micros(micros).unwrap_or(self)
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        let micros = time.nanosecond() / 1_000 * 1_000;
        Self(time.with_nanosecond(micros).unwrap_or(time))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As pydantic does: no fraction when it is zero, six digits otherwise.
        let format =
            if self.0.nanosecond() == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
        f.write_str(&self.0.to_rfc3339_opts(format, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Timestamp {
    named_schema!(Timestamp);

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A point in time: RFC 3339 with `Z`. (The official Python models write \
                local time without a zone.)",
            "type": "string",
            "format": "date-time",
        })
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Ok(time) = DateTime::parse_from_rfc3339(&text) {
            return Ok(time.with_timezone(&Utc).into());
        }
        NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f")
            .map(|naive| naive.and_utc().into())
            .map_err(|_| D::Error::custom(format_args!("`{text}` is not an RFC 3339 time")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Timestamp {
        serde_json::from_value(text.into()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn whatever_is_added_or_taken_away_can_be_written_and_read() {
        let time = read("2026-11-23T10:00:00.000001Z");
        assert_eq!(
            time.saturating_add(Duration::from_secs(60)),
            read("2026-11-23T10:01:00.000001Z")
        );
        assert_eq!(
            time.saturating_sub(Duration::from_secs(60)),
            read("2026-11-23T09:59:00.000001Z")
        );
        for by in [Duration::MAX, Duration::from_secs(1 << 40)] {
            let (last, first) = (time.saturating_add(by), time.saturating_sub(by));
            assert_eq!(
                (last, first),
                (read("9999-12-31T23:59:59.999999Z"), read("0000-01-01T00:00:00Z"))
            );
            assert_eq!((read(&last.to_string()), read(&first.to_string())), (last, first));
        }
    }
}
