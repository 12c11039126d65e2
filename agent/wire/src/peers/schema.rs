//! What the entries of a table look like: key, data types and their parameters, expiry.

use super::data_type::{Arity, DataType, Shape};
use super::key::KeyType;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

/// How many data types there are.
pub const DATA_TYPES: usize = 27;
/// Most elements of an array (configuration.txt, `stick-table`).
pub const MAX_ELEMENTS: u8 = 100;

/// How many elements an array has: 1 to [`MAX_ELEMENTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elements(NonZeroU8);

impl Elements {
    /// Takes a number that is possible.
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(elements) if number <= MAX_ELEMENTS => Some(Self(elements)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

/// The period that a rate is counted over, in milliseconds, 1 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(NonZeroU32);

impl Period {
    /// Takes a period in milliseconds.
    pub const fn from_millis(millis: u32) -> Option<Self> {
        match NonZeroU32::new(millis) {
            Some(millis) => Some(Self(millis)),
            None => None,
        }
    }

    /// The period in milliseconds.
    pub const fn as_millis(self) -> u32 {
        self.0.get()
    }

    /// The period as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.as_millis() as u64)
    }
}

/// What a definition says of a data type beside its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// Nothing.
    None,
    /// Of a rate.
    Period(Period),
    /// Of an array.
    Elements(Elements),
    /// Of an array of rates.
    ElementsAndPeriod(Elements, Period),
}

/// Parameters that are not those of a data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameters of `{0}` do not fit: a rate has a period, an array a number of elements, others nothing")]
pub struct BadParameters(pub DataType);

/// What the entries of a table look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    key: KeyType,
    expiry: Duration,
    types: u32,
    // By data type: 0 where it is not stored, 1 where it is not an array.
    elements: [u8; DATA_TYPES],
    // By data type, in milliseconds: 0 where it is not a rate.
    periods: [u32; DATA_TYPES],
}

impl Schema {
    /// Entries with a key and no data, which expire after `expiry`; zero is never.
    pub const fn new(key: KeyType, expiry: Duration) -> Self {
        Self { key, expiry, types: 0, elements: [0; DATA_TYPES], periods: [0; DATA_TYPES] }
    }

    /// Adds a data type; one that is there already takes the new parameters.
    pub fn with(mut self, data_type: DataType, parameters: Parameters) -> Result<Self, BadParameters> {
        let (elements, period) = match (data_type.arity(), data_type.shape(), parameters) {
            (Arity::One, Shape::Rate, Parameters::Period(period)) => (1, period.as_millis()),
            (Arity::Many, Shape::Rate, Parameters::ElementsAndPeriod(elements, period)) => {
                (elements.get(), period.as_millis())
            }
            (_, Shape::Rate, _) => return Err(BadParameters(data_type)),
            (Arity::One, _, Parameters::None) => (1, 0),
            (Arity::Many, _, Parameters::Elements(elements)) => (elements.get(), 0),
            _ => return Err(BadParameters(data_type)),
        };
        let at = usize::from(data_type.code());
        if let (Some(own_elements), Some(own_period)) = (self.elements.get_mut(at), self.periods.get_mut(at))
        {
            (*own_elements, *own_period) = (elements, period);
            self.types |= data_type.bit();
        }
        Ok(self)
    }

    /// What the keys are.
    #[inline]
    pub const fn key(&self) -> KeyType {
        self.key
    }

    /// How long entries live from their last update on; zero is for ever.
    #[inline]
    pub const fn expiry(&self) -> Duration {
        self.expiry
    }

    /// The bits of the data types, as a definition has them.
    #[inline]
    pub const fn bits(&self) -> u32 {
        self.types
    }

    /// Is this data type stored?
    #[inline]
    pub const fn has(&self, data_type: DataType) -> bool {
        self.types & data_type.bit() != 0
    }

    /// How many elements of a data type an entry has: 0 where it is not stored, 1 where it is no array.
    #[inline]
    pub fn elements(&self, data_type: DataType) -> u8 {
        self.elements.get(usize::from(data_type.code())).copied().unwrap_or_default()
    }

    /// The period of a rate that is stored.
    #[inline]
    pub fn period(&self, data_type: DataType) -> Option<Period> {
        self.periods.get(usize::from(data_type.code())).copied().and_then(Period::from_millis)
    }

    /// The parameters of a data type as a definition has them.
    pub fn parameters(&self, data_type: DataType) -> Parameters {
        let elements = Elements::new(self.elements(data_type)).filter(|_| data_type.arity() == Arity::Many);
        match (elements, self.period(data_type)) {
            (Some(elements), Some(period)) => Parameters::ElementsAndPeriod(elements, period),
            (Some(elements), None) => Parameters::Elements(elements),
            (None, Some(period)) => Parameters::Period(period),
            (None, None) => Parameters::None,
        }
    }

    /// The data types that are stored, in the order of the wire.
    #[inline]
    pub fn data_types(&self) -> impl Iterator<Item = DataType> + use<> {
        let mut left = self.types;
        std::iter::from_fn(move || {
            let data_type = *DataType::ALL.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(data_type)
        })
    }

    /// Which values an entry has, in the order of the wire.
    #[inline]
    pub fn columns(&self) -> Columns<'_> {
        Columns { schema: self, left: self.types, data_type: None, index: 0, elements: 0 }
    }
}

/// Every value that an entry has: its data type, and its index where that is an array.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    schema: &'a Schema,
    left: u32,
    data_type: Option<DataType>,
    index: u8,
    elements: u8,
}

impl Iterator for Columns<'_> {
    type Item = (DataType, u8);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while self.index >= self.elements {
            let code = self.left.trailing_zeros();
            let data_type = *DataType::ALL.get(code as usize)?;
            self.left &= self.left - 1;
            (self.data_type, self.index, self.elements) =
                (Some(data_type), 0, self.schema.elements(data_type));
        }
        let index = self.index;
        self.index += 1;
        self.data_type.map(|data_type| (data_type, index))
    }
}
