//! Finding free ports on 127.0.0.1.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use crate::error::Error;
use crate::secret::random_hex;

/// Below the kernel's range for the ports of outgoing connections. A server with a port from that range could lose it
/// to an outgoing connection while the server is down, and a client that reconnects could end up connected to itself.
const RANGE: Range<u16> = 15_000..32_000;

const ATTEMPTS: usize = 200;

/// Returns whether a server could listen on `127.0.0.1:port` now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Finds a free port. Chosen at random, so that concurrent starts do not choose the same port.
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
