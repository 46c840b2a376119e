//! Chunks of one import that are merged concurrently give the result of merging them one after another (contract §2).

use std::fmt::Write as _;

use rollcall_tests::harness::{Options, Row, result};

/// Barcodes that pass from user to user, a username in every chunk, a group that several chunks would create: with chunks of
/// two rows on four connections, no row may be judged before the rows above it.
#[tokio::test]
async fn parallel_chunks_match_sequential_ones() {
    const USERS: usize = 60;
    let stack = Options::default()
        .worker_env("ROLLCALL_CHUNK_ROWS", 2)
        .worker_env("ROLLCALL_PARALLEL_CHUNKS", 4)
        .start()
        .await;
    let mut first = "username,librarybarcode,enabled,staffmember,presentationgroup\n".to_owned();
    for user in 0..USERS {
        writeln!(first, "u{user},b{user},y,y,").unwrap();
    }
    stack.post_users(&first).await.is(200, &result(&[Row::Created; USERS]));

    let mut second = "username,librarybarcode,surname,presentationgroup\n".to_owned();
    let mut expected = Vec::new();
    // The last user releases a barcode, and each user takes the one that the row above has just released.
    writeln!(second, "u{},new,,", USERS - 1).unwrap();
    expected.push(Row::Updated);
    for user in (0..USERS - 1).rev() {
        writeln!(second, "u{user},b{},,G{}", user + 1, user / 8).unwrap();
        expected.push(Row::Updated);
        if user % 7 == 0 {
            writeln!(second, "U{},,version {user},", USERS - 1).unwrap();
            expected.push(Row::Updated);
        }
        if user % 9 == 0 {
            // In the last row a barcode that was just released, otherwise one whose owner comes next.
            writeln!(second, "u{},b{},version {user},", USERS - 1, user.saturating_sub(1)).unwrap();
            expected.push(if user == 0 {
                Row::Updated
            } else {
                Row::Failed("Field (libraryBarcode) is already used by another user. ")
            });
        }
    }
    stack.post_users(&second).await.is(200, &result(&expected));
    let moved = stack
        .rows("select n from generate_series(0, 100) n join users on username = 'u' || n and library_barcode = 'b' || (n + 1)")
        .await;
    assert_eq!(moved.len(), USERS - 1);
    let last = stack
        .row(&format!("select surname, library_barcode from users where username = 'u{}'", USERS - 1))
        .await;
    assert_eq!((&last["surname"], &last["library_barcode"]), (&"version 0".into(), &"b0".into()));
    assert_eq!(stack.rows("select label from presentation_groups").await.len(), USERS.div_ceil(8));
    // The first file again: at its turn, every row's barcode belongs to another user.
    stack.post_users(&first.replace("enabled,staffmember,", "").replace(",y,y", "")).await.is(
        200,
        &result(&std::array::from_fn::<_, USERS, _>(|_| {
            Row::Failed("Field (libraryBarcode) is already used by another user. ")
        })),
    );
}
