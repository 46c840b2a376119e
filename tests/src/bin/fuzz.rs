//! `./tests/fuzz`: libFuzzer with one of the targets of [`rollcall_tests::fuzz`]. The environment variable `TARGET` names it.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rollcall_tests::fuzz::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    Target::named(&name)
        .unwrap_or_else(|| panic!("TARGET={name} is none of {:?}", Target::ALL.map(|known| known.name)))
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
