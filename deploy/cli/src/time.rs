//! Times as arguments and as output.

use chrono::{DateTime, NaiveDate, NaiveTime, SubsecRound as _, TimeDelta, Utc};

/// The longest length of time that can be given.
const MAX_DAYS: u32 = 36_500;

/// Parses a length of time: a number with `h` (hours), `d` (days) or `w` (weeks).
pub fn length(text: &str) -> Result<TimeDelta, &'static str> {
    let error = "give a number of hours, days or weeks, such as 12h, 400d or 2w";
    let unit = text.chars().next_back().ok_or(error)?;
    let number: u32 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| error)?;
    let hours = match unit {
        'h' => 1,
        'd' => 24,
        'w' => 24 * 7,
        _ => return Err(error),
    };
    let hours = i64::from(number) * hours;
    if hours == 0 || hours > i64::from(MAX_DAYS) * 24 {
        return Err("give a length of time from 1h to 36500d");
    }
    Ok(TimeDelta::hours(hours))
}

/// Parses a time in the past: a length of time before now, a day in UTC, or a time in RFC 3339.
pub fn since(text: &str) -> Result<DateTime<Utc>, &'static str> {
    if let Ok(length) = length(text) {
        return Ok(Utc::now() - length);
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).map_err(|_| {
        "give a length of time such as 7d, a day such as 2026-11-30, or a time such as 2026-11-30T08:00:00Z"
    })
}

/// Formats a time to the second in UTC, as in logs and traces.
pub fn timestamp(at: DateTime<Utc>) -> String {
    format!("{}", at.trunc_subsecs(0).format("%Y-%m-%d %H:%M:%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(length("400d"), Ok(TimeDelta::days(400)));
        assert_eq!(length("12h"), Ok(TimeDelta::hours(12)));
        assert_eq!(length("2w"), Ok(TimeDelta::weeks(2)));
        for bad in ["", "d", "400", "-1d", "1.5d", "0d", "36501d", "4000000000w", "3 d", "1é"] {
            assert!(length(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_is_a_length_ago_a_day_or_rfc_3339() {
        let text = |text: &str| since(text).map(timestamp);
        assert_eq!(text("2026-11-30"), Ok("2026-11-30 00:00:00Z".to_owned()));
        assert_eq!(text("2026-11-30T08:00:00+02:00"), Ok("2026-11-30 06:00:00Z".to_owned()));
        assert!(since("1d").is_ok_and(|time| Utc::now() - time >= TimeDelta::days(1)));
        assert!(since("yesterday").is_err());
    }
}
