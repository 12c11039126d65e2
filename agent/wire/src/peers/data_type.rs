//! What a stick table can store with an entry (configuration.txt, `stick-table`).

use std::fmt;

/// How the values of a data type look on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A signed integer of 32 bits.
    Signed,
    /// An unsigned integer of 32 bits.
    Unsigned,
    /// An unsigned integer of 64 bits.
    Counter,
    /// A frequency over a period.
    Rate,
    /// A string that is sent once and then known by a number.
    Dictionary,
}

/// How many values an entry has of a data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One.
    One,
    /// As many as the table says, 1 to [`MAX_ELEMENTS`](super::MAX_ELEMENTS).
    Many,
}

macro_rules! data_types {
    ($($variant:ident $name:literal $shape:ident $arity:ident $doc:literal;)*) => {
        /// A data type. Its number is its bit in a table's definition, and the order of values.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DataType { $(#[doc = $doc] $variant,)* }

        impl DataType {
            /// Every data type in the order of the wire.
            pub const ALL: [Self; super::DATA_TYPES] = [$(Self::$variant,)*];

            /// Its name in HAProxy's configuration.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How its values look.
            #[inline]
            pub const fn shape(self) -> Shape {
                match self { $(Self::$variant => Shape::$shape,)* }
            }

            /// How many values it has.
            #[inline]
            pub const fn arity(self) -> Arity {
                match self { $(Self::$variant => Arity::$arity,)* }
            }
        }
    };
}

data_types! {
    ServerId "server_id" Signed One "The number of the server that was chosen.";
    Gpt0 "gpt0" Unsigned One "General purpose tag.";
    Gpc0 "gpc0" Unsigned One "First general purpose counter.";
    Gpc0Rate "gpc0_rate" Rate One "How often the first general purpose counter grows.";
    ConnCnt "conn_cnt" Unsigned One "Connections.";
    ConnRate "conn_rate" Rate One "How often connections come.";
    ConnCur "conn_cur" Unsigned One "Connections that are open; pushed to peers, never learned from them.";
    SessCnt "sess_cnt" Unsigned One "Sessions.";
    SessRate "sess_rate" Rate One "How often sessions come.";
    HttpReqCnt "http_req_cnt" Unsigned One "HTTP requests.";
    HttpReqRate "http_req_rate" Rate One "How often HTTP requests come.";
    HttpErrCnt "http_err_cnt" Unsigned One "HTTP errors that the client is to blame for.";
    HttpErrRate "http_err_rate" Rate One "How often such errors come.";
    BytesInCnt "bytes_in_cnt" Counter One "Bytes from the client.";
    BytesInRate "bytes_in_rate" Rate One "How fast bytes come from the client.";
    BytesOutCnt "bytes_out_cnt" Counter One "Bytes to the client.";
    BytesOutRate "bytes_out_rate" Rate One "How fast bytes go to the client.";
    Gpc1 "gpc1" Unsigned One "Second general purpose counter.";
    Gpc1Rate "gpc1_rate" Rate One "How often the second general purpose counter grows.";
    ServerKey "server_key" Dictionary One "The name or address of the server that was chosen.";
    HttpFailCnt "http_fail_cnt" Unsigned One "HTTP failures that the server is to blame for.";
    HttpFailRate "http_fail_rate" Rate One "How often such failures come.";
    Gpt "gpt" Unsigned Many "General purpose tags.";
    Gpc "gpc" Unsigned Many "General purpose counters.";
    GpcRate "gpc_rate" Rate Many "How often the general purpose counters grow.";
    GlitchCnt "glitch_cnt" Unsigned One "Oddities of the client's protocol, from HAProxy 3.0 on.";
    GlitchRate "glitch_rate" Rate One "How often such oddities come, from HAProxy 3.0 on.";
}

impl DataType {
    /// Its number on the wire.
    #[inline]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Its bit in a table's definition.
    #[inline]
    pub const fn bit(self) -> u32 {
        1 << self.code()
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
