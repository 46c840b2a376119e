//! Finding free ports on 127.0.0.1.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

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

/// Finds a free port. The first is chosen at random, so that concurrent processes do not choose the same; the next ones
/// follow it, so that a port whose server is down for a while is not given away again.
pub fn free() -> Result<u16, Error> {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..ATTEMPTS {
        let offset = match *next {
            Some(offset) => offset,
            None => {
                u16::from_str_radix(&random_hex(2)?, 16).expect("two bytes of hexadecimal digits are a u16")
            }
        };
        let port = RANGE.start + offset % (RANGE.end - RANGE.start);
        *next = Some(offset.wrapping_add(1));
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(Error::NoFreePort { range: RANGE })
}
