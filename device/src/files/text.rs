//! Types that JSON has as their text form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serializer};

use crate::instance::State;

/// For `#[serde(with = "text")]` on a type that is written by `Display` and read by `FromStr`.
pub(super) fn serialize<T: fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
    D: Deserializer<'de>,
{
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

/// For `#[serde(with = "text::state")]` on a [`State`].
pub(super) mod state {
    use super::{Deserialize, Deserializer, Serializer, State};

    pub(in crate::files) fn serialize<S: Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(state.name())
    }

    pub(in crate::files) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<State, D::Error> {
        let name = String::deserialize(from)?;
        [State::Up, State::Error, State::Restarting, State::Down, State::Removed]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| serde::de::Error::custom(format!("`{name}` is no state of a device")))
    }
}
