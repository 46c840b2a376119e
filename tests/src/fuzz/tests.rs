//! The inputs that are kept: see `./tests/fuzz`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Target;

#[test]
fn kept_inputs_show_no_fault() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz.d");
    let mut count = 0;
    for target in Target::ALL {
        for folder in ["seeds", "found"] {
            let folder = kept.join(folder).join(target.name);
            for file in fs::read_dir(&folder).into_iter().flatten() {
                let path = file.expect("the folder can be read").path();
                println!("{}", path.strip_prefix(&kept).expect("a kept input").display());
                (target.run)(&fs::read(&path).expect("the file can be read"));
                count += 1;
            }
        }
        (target.run)(b"");
    }
    println!("{count} inputs");
    assert!(count >= Target::ALL.len(), "each target has a seed");
}

#[test]
fn every_kept_input_belongs_to_a_target() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz.d");
    let targets: BTreeSet<_> = Target::ALL.iter().map(|target| target.name.into()).collect();
    for folder in ["seeds", "found"] {
        let folders = fs::read_dir(kept.join(folder)).into_iter().flatten();
        let named: BTreeSet<_> =
            folders.map(|entry| entry.expect("the folder can be read").file_name()).collect();
        assert!(named.is_subset(&targets), "{folder}: {named:?}");
    }
}
