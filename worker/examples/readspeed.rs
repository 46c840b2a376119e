use std::time::Instant;
use rollcall_schema::imports::model::Endpoint;
use rollcall_worker::{read::count_rows, survey::survey};
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let (mut s, mut c) = (f64::MAX, f64::MAX);
    for _ in 0..7 {
        let t = Instant::now();
        let survey = survey(&bytes[..], Endpoint::Users, None).unwrap();
        s = s.min(t.elapsed().as_secs_f64());
        let t = Instant::now();
        let n = count_rows(&bytes[..], survey.format).unwrap();
        c = c.min(t.elapsed().as_secs_f64());
        std::hint::black_box(n);
    }
    println!("survey {:.1} ms, rows {:.1} ms", s * 1e3, c * 1e3);
}
