//! Points in time, as the protocol carries them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Whole seconds since 1970-01-01T00:00:00Z, the `NumericDate` of RFC 7519 section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub u64);

impl UnixSeconds {
    /// This point, `seconds` later; the end of time is where it stops.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this point; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, for records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The whole seconds of this point.
    #[must_use]
    pub const fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / 1000)
    }

    /// This point as RFC 3339 in UTC with milliseconds, e.g. `2026-01-02T03:04:05.678Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let millis = self.0 % 1000;
        let seconds = self.0 / 1000;
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let mut text = String::with_capacity(24);
        for (number, divisor, behind) in [
            (year, 1_000, '-'),
            (month, 10, '-'),
            (day, 10, 'T'),
            (hour, 10, ':'),
            (minute, 10, ':'),
            (second, 10, '.'),
            (millis, 100, 'Z'),
        ] {
            push_digits(number, divisor, &mut text);
            text.push(behind);
        }
        text
    }
}

/// A text that is no point in time.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a time: expected RFC 3339 in UTC, such as `2026-01-02T03:04:05.678Z`")]
pub struct NotATime;

impl FromStr for UnixMillis {
    type Err = NotATime;

    /// Reads what [`UnixMillis::rfc3339`] writes; the fraction may be left out, and what is finer than a
    /// millisecond is dropped.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        parse(text).ok_or(NotATime)
    }
}

fn parse(text: &str) -> Option<UnixMillis> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let millis = fraction.bytes().chain([b'0'; 2]).take(3);
    let millis = millis.fold(0, |millis, digit| millis * 10 + u64::from(digit - b'0'));
    let seconds = ((days_from_civil(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second;
    Some(UnixMillis(seconds * 1000 + millis))
}

/// Numbers of so many digits each, nothing else between them but the separator.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let part = parts.next()?;
        if part.len() != width || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The day count of a date from 1970 on; nothing for a day that no month has.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // Years that begin in March, as below.
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let days = year_from_march * 365 + year_from_march / 4 - year_from_march / 100
        + year_from_march / 400
        + day_of_year;
    let days = days.checked_sub(719_468)?;
    // A 31st of a month of 30 days comes back as the 1st of the next.
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

/// Appends the digits of a number, its first one that of `divisor`. There is a time in every record,
/// and `format!` takes ten times as long.
fn push_digits(number: u64, mut divisor: u64, text: &mut String) {
    while divisor > 0 {
        let digit = u32::try_from(number / divisor % 10).unwrap_or_default();
        text.extend(char::from_digit(digit, 10));
        divisor /= 10;
    }
}

/// Gregorian date of a day count since 1970-01-01: eras of 400 years (146097 days), years that
/// begin in March so that the leap day is the last one.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::{NotATime, UnixMillis};

    #[test]
    fn rfc3339_agrees_with_known_points() {
        // Checked with `date -u -d @N`.
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_612_345_678, "2026-11-25T13:12:25.678Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(UnixMillis(millis).rfc3339(), text);
        }
    }
    #[test]
    fn what_is_written_is_read_again() {
        let mut millis = 0;
        while millis < 8_000_000_000_000 {
            assert_eq!(UnixMillis(millis).rfc3339().parse(), Ok(UnixMillis(millis)));
            // Thirteen hours and a bit: every day of every month.
            millis += 46_812_345;
        }
        assert_eq!("2026-01-02T03:04:05Z".parse(), Ok(UnixMillis(1_767_323_045_000)));
        assert_eq!("2026-01-02T03:04:05.6789Z".parse(), Ok(UnixMillis(1_767_323_045_678)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05+01:00",
            "2026-01-02 03:04:05Z",
            "2026-1-02T03:04:05Z",
            "2026-13-02T03:04:05Z",
            "2026-00-02T03:04:05Z",
            "2026-02-29T03:04:05Z",
            "2026-04-31T03:04:05Z",
            "2026-01-00T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:60:05Z",
            "2026-01-02T03:04:60Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05.1234567890Z",
            "2026-01-02T03:04:05.-12Z",
            "2026-01-02-01T03:04:05Z",
            "+026-01-02T03:04:05Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(text.parse::<UnixMillis>(), Err(NotATime), "{text}");
        }
    }
}
