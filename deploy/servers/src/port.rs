//! Ports on 127.0.0.1 that nobody listens on.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use crate::error::Error;
use crate::secret::random_hex;

/// Below the range the kernel takes the ports of outgoing connections from. A port out of that range could be lost to a
/// client while its server is down, and a client that reconnects to it could end up connected to itself.
const RANGE: Range<u16> = 15_000..32_000;

const ATTEMPTS: usize = 200;

/// Whether something could listen on `127.0.0.1:port` now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port; random, so that several starts at once do not choose the same.
pub(crate) fn free() -> Result<u16, Error> {
    for _ in 0..ATTEMPTS {
        let random =
            u16::from_str_radix(&random_hex(2)?, 16).expect("two bytes of hexadecimal digits are a u16");
        let port = RANGE.start + random % (RANGE.end - RANGE.start);
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(Error::NoFreePort { range: RANGE })
}
