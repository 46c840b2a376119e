//! Random secrets.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::Error;

/// Returns `bytes` random bytes from the kernel as hexadecimal digits, which need no quoting in a URL, a shell or a
/// configuration file.
pub fn random_hex(bytes: usize) -> Result<String, Error> {
    let source = Path::new("/dev/urandom");
    let mut random = vec![0; bytes];
    File::open(source)
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(Error::file("read random bytes", source))?;
    let digit =
        |value: u8| char::from_digit(u32::from(value), 16).expect("four bits are one hexadecimal digit");
    Ok(random.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect())
}
