//! Small files that real clients sent, each with the outcome that the contract gives it.

use super::*;

const CREATED_1: &str = "1 user processed. 1 user created. 0 users updated. 0 users failed.";
const CREATED_2: &str = "2 users processed. 2 users created. 0 users updated. 0 users failed.";

/// Imports a file into a tenant without users, and returns the tenant and the answer.
#[track_caller]
fn import(file: &[u8]) -> (Tenant, String) {
    let mut tenant = tenant();
    let answer = tenant.apply(Users, file, None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    (tenant, answer.body)
}

fn usernames(tenant: &Tenant) -> Vec<String> {
    tenant.snapshot().users.into_values().map(|user| user.username).collect()
}

#[test]
fn one_cut_byte_costs_one_row() {
    let night1 =
        "username,givenname,surname,enabled,staffmember\nk.øvre,Kåre,Øvre,y,y\nm.jäger,Märta,Jäger,y,y\n";
    let night2 = [night1.as_bytes(), b"o.dale,Ola,Dal\xC3,y,y\n"].concat();
    for mark in ["", "\u{FEFF}"] {
        let (mut tenant, _) = import(night1.as_bytes());
        let before = tenant.snapshot();
        let answer = tenant.apply(Users, &[mark.as_bytes(), &night2].concat(), None);
        let e = "Row contains bytes that are not valid UTF-8. ";
        assert_eq!(
            answer.body,
            format!(
                r#"{{"success":false,"summary":"3 users processed. 0 users created. 2 users updated. 1 user failed.","details":{{"1":"User Updated","2":"User Updated","3":"{e}User failed to import: {e}"}}}}"#
            )
        );
        assert_eq!(tenant.snapshot(), before);
    }
}

#[test]
fn lost_line_breaks_are_refused() {
    for file in [
        "username,enabled,staffmember p.lund,y,y s.moe,y,n",
        "username,enabled,staffmember\u{85}p.lund,y,y\u{85}",
        "username,enabled,staffmember\\np.lund,y,y\\n",
        "username,enabled,staffmember\u{2028}p.lund,y,y",
        "username,enabled,staffmember\u{1E}p.lund,y,y\n",
        "username,enabled,staffmember<BR>p.lund,y,y<br>",
        "sep=;\r\nusername;enabled;staffmember p.lund;y;y\r\n\u{1A}",
        "username,enabled,staffmember,p.lund,y,y",
    ] {
        assert_eq!(tenant().apply(Users, file.as_bytes(), None).status, 400, "{file}");
    }
    // A header alone, whatever its unknown columns are called.
    for file in
        ["username,enabled,staffmember\n", "username,Email 2,house,Year group", "user name,locker no 2"]
    {
        assert_eq!(tenant().apply(Users, file.as_bytes(), None).status, 200, "{file}");
    }
}

#[test]
fn an_open_quote_costs_its_own_row() {
    let file = b"username,givenname,enabled,staffmember\nt.aas,\"Tex,y,y\nu.bo,Una,y,y\nv.lie,Vidar,y,y\n";
    let (tenant, body) = import(file);
    let e = "Row has a quote that does not close. ";
    assert_eq!(
        body,
        format!(
            r#"{{"success":false,"summary":"3 users processed. 2 users created. 0 users updated. 1 user failed.","details":{{"1":"{e}User failed to import: {e}","2":"User Created","3":"User Created"}}}}"#
        )
    );
    assert_eq!(usernames(&tenant), ["u.bo", "v.lie"]);
}

#[test]
fn a_stray_pair_of_quotes_swallows_no_row() {
    let file = b"username,surname,enabled,staffmember\nw.ek,\"Ek,y,y\nx.ali,Ali,y,y\ny.roe,Roe\",y,y\nz.hall,Hall,y,y\n";
    let (tenant, body) = import(file);
    assert!(body.contains(
        r#""1":"Row has a quote that does not close. User failed to import: Row has a quote that does not close. ","2":"User Created""#
    ));
    assert!(body.contains("4 users processed. 3 users created. 0 users updated. 1 user failed."));
    assert_eq!(usernames(&tenant), ["x.ali", "y.roe", "z.hall"]);
    assert_eq!(tenant.user("y.roe").unwrap().surname.as_deref(), Some("Roe\""));
}

#[test]
fn rows_of_nothing_are_skipped() {
    let (_, body) = import(b"username,givenname,enabled,staffmember\r\na.vik,Anja,y,y\r\n,,,\r\n ,,,\r\n");
    assert_eq!(body, ok(CREATED_1));
    let (_, body) = import(b"username\tgivenname\tenabled\tstaffmember\r\nb.vik\tBo\ty\ty\r\n\t\t\t\r\n");
    assert_eq!(body, ok(CREATED_1));
}

#[test]
fn users_and_groups_in_one_file_are_refused() {
    for file in [
        "username,surname,library-group\nc.nyg,Nygaard,Year 8\n",
        "username,surname,enabled,staffmember,library-group,system-group\nc.nyg,Nygaard,n,y,Year 8,Borrowers\n",
    ] {
        for endpoint in [Users, UserGroups] {
            assert_eq!(tenant().apply(endpoint, file.as_bytes(), None).status, 400);
        }
    }
}

#[test]
fn a_blank_before_a_quote_belongs_to_the_quote() {
    let (tenant, body) = import(
        b"username, givenname, surname, enabled, staffmember\nd.foss, \"Dina\", \"Foss\", y, y\n\
          e.foss, \"Even, Jr\", \"Foss\", y, y\n",
    );
    assert_eq!(body, ok(CREATED_2));
    assert_eq!(tenant.user("d.foss").unwrap().given_name.as_deref(), Some("Dina"));
    assert_eq!(tenant.user("e.foss").unwrap().given_name.as_deref(), Some("Even, Jr"));
}

#[test]
fn lines_that_tools_write_around_the_data_are_skipped() {
    let (_, body) = import(b"sep=;\r\nusername;enabled;staffmember\r\nf.haug;y;y\r\n");
    assert_eq!(body, ok(CREATED_1));
    let (_, body) = import(b"username,enabled,staffmember\r\ni.bakk,y,y\r\n\x1A");
    assert_eq!(body, ok(CREATED_1));
}

#[test]
fn look_alike_usernames_are_one_user() {
    let (tenant, body) = import(
        "username,enabled,staffmember\nk.moen,y,y\nk.moen\u{200B},y,y\n\u{202A}k.moen\u{202C},y,y\nk.moen\u{FEFF},y,y\n"
            .as_bytes(),
    );
    assert_eq!(body, ok("4 users processed. 1 user created. 3 users updated. 0 users failed."));
    assert_eq!(usernames(&tenant), ["k.moen"]);
    let (tenant, body) =
        import("username,enabled,staffmember\nl.sand\u{e9},y,y\nl.sande\u{301},y,y\n".as_bytes());
    assert_eq!(body, ok("2 users processed. 1 user created. 1 user updated. 0 users failed."));
    assert_eq!(usernames(&tenant), ["l.sand\u{e9}"]);
}

#[test]
fn excels_way_to_keep_zeros_is_read() {
    let (tenant, body) =
        import(b"username,librarybarcode,enabled,staffmember\r\n=\"o.berge\",\"=\"\"00042\"\"\",y,y\r\n");
    assert_eq!(body, ok(CREATED_1));
    assert_eq!(tenant.user("o.berge").unwrap().library_barcode.as_deref(), Some("00042"));
}

#[test]
fn unknown_columns_are_ignored() {
    let mut tenant = tenant();
    rows(&mut tenant, "k.moen,y,y,,,\n");
    let answer = tenant.apply(
        Users,
        b"username,First Name,Last Name,Home Room,form clas\nk.moen,Kari,Moen,7B,7B\n",
        None,
    );
    assert_eq!(answer.body, ok("1 user processed. 0 users created. 1 user updated. 0 users failed."));
    assert_eq!(tenant.user("k.moen").unwrap().form_class, None);
}

#[test]
fn the_importing_account_keeps_its_login() {
    let mut tenant = tenant();
    crate::tables::add_administrator(&mut tenant);
    let before = tenant.snapshot();
    let answer = tenant.apply(Users, b"username,enabled,staffmember,password\nAUTOIMPORT,n,y,change\n", None);
    assert_eq!(answer.body, ok("1 user processed. 0 users created. 1 user updated. 0 users failed."));
    assert_eq!(answer.protected_rows, 1);
    assert_eq!(tenant.snapshot(), before);
}

#[test]
fn utf_16_without_a_byte_order_mark_is_read() {
    let units = "username,enabled,staffmember\r\nx.nes,y,y\r\n".encode_utf16();
    let (tenant, body) = import(&units.clone().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
    assert_eq!(body, ok(CREATED_1));
    assert_eq!(usernames(&tenant), ["x.nes"]);
    let (_, body) = import(&units.flat_map(u16::to_be_bytes).collect::<Vec<_>>());
    assert_eq!(body, ok(CREATED_1));
}

/// The files of the cases about forms (a part without headers first, LF line ends, quoted-printable).
#[test]
fn the_files_in_the_forms_are_good() {
    let (_, body) = import(b"username,enabled,staffmember\ny.nes,y,y\n");
    assert_eq!(body, ok(CREATED_1));
    // What the form with quoted-printable would have said.
    let (tenant, _) = import("username,givenname,enabled,staffmember\r\nz.nes,Zo\u{eb},y,y\r\n".as_bytes());
    assert_eq!(tenant.user("z.nes").unwrap().given_name.as_deref(), Some("Zo\u{eb}"));
}
