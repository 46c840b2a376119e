//! Names that look alike are one name, for an import, a login and the operator's command (contract §4). A database of a
//! version that compared them otherwise is brought up to date without losing anything, or not changed at all.

use diesel_async::SimpleAsyncConnection as _;
use reqwest::Method;
use rollcall_schema::crypto::key::ServiceKey;
use rollcall_schema::ids::UserId;
use rollcall_schema::key_ring::data_keys::DataKeys;
use rollcall_schema::key_ring::ring::KeyRing;
use rollcall_schema::passwords::keys::{self, PasswordKeys};
use rollcall_schema::tenants::account;
use rollcall_tests::harness::{
    KEY, Options, PASSWORD, Row, Stack, Tenant, cheap_hash, cheap_hash_of, eventually, result,
};
use serde_json::{Value, json};

/// The version of the migration that recomputes names.
const RECOMPUTE: &str = "20261125000003";

/// A stack without processes.
async fn stopped_stack() -> Stack {
    Options::default().without_api().workers(0).start().await
}

/// Takes the tables back to the version that compared usernames in lower case only.
async fn downgrade(stack: &Stack) {
    // It sealed with its service key directly.
    stack.execute("update installation set sealed_directly = true").await;
    let mut conn = stack.database.connection().await.unwrap();
    for newer in [
        include_str!("../../schema/migrations/2026-11-29-000007_membership_changes/down.sql"),
        include_str!("../../schema/migrations/2026-11-29-000006_fill_factor_of_users/down.sql"),
        include_str!("../../schema/migrations/2026-11-29-000005_triggers_after_updates/down.sql"),
        include_str!("../../schema/migrations/2026-11-29-000004_roster_changes/down.sql"),
        include_str!("../../schema/migrations/2026-11-29-000003_policies_choose_no_index/down.sql"),
        include_str!("../../schema/migrations/2026-11-29-000002_copy_for_the_own_tenant/down.sql"),
        include_str!("../../schema/migrations/2026-11-29-000001_policies_without_function/down.sql"),
        include_str!("../../schema/migrations/2026-11-28-000009_row_level_security/down.sql"),
        include_str!("../../schema/migrations/2026-11-25-000002_password_owner/down.sql"),
    ] {
        conn.batch_execute(newer).await.unwrap();
    }
    stack
        .execute(&format!(
            "delete from __diesel_schema_migrations
              where version in ('20261125000002', '{RECOMPUTE}', '20261128000009') or version >= '20261129000001'"
        ))
        .await;
    assert!(!stack.database.is_migrated().await.unwrap());
}

/// The key that the old version gave to a username.
fn old_key(username: &str) -> String {
    username.chars().flat_map(char::to_lowercase).collect()
}

/// Inserts a user as the old version did. `columns` and `values` are additional ones.
async fn insert_user(stack: &Stack, tenant: &Tenant, username: &str, columns: &str, values: &str) {
    let key = old_key(username);
    stack
        .execute(&format!(
            "insert into users (tenant_id, id, username, username_key, enabled, staff_member{columns})
             values ('{}', '{}', '{username}', '{key}', true, true{values})",
            tenant.id,
            UserId::generate()
        ))
        .await;
}

/// What the old version stored of a password that a file gave.
struct OldPassword {
    sealed: String,
    fingerprint: String,
}

fn old_password(tenant: &Tenant, username: &str, password: &str) -> OldPassword {
    let key = ServiceKey::from_hex(KEY).unwrap();
    let keys = PasswordKeys::new(&KeyRing::fixed(DataKeys::original(&key)));
    let owner = keys::owner(tenant.id, &old_key(username));
    let bytea = |bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("'\\x{hex}'")
    };
    OldPassword {
        sealed: bytea(&keys.seal(&owner, password.as_bytes())),
        fingerprint: bytea(keys.fingerprint(&owner, password.as_bytes()).as_bytes()),
    }
}

/// The status of a login: 200 for an administrator, 403 for another user, 401 for a wrong password.
async fn login(stack: &Stack, username: &str, password: &str) -> u16 {
    let request = stack.anonymous(Method::GET, "/api/import/jobs").basic_auth(username, Some(password));
    stack.send(request).await.status
}

/// Everything in the tables that have names.
async fn tables(stack: &Stack) -> Vec<Value> {
    let mut rows = Vec::new();
    for table in ["users", "presentation_groups", "library_groups", "system_groups"] {
        rows.extend(
            stack.rows(&format!("select '{table}' as in_table, * from {table} order by tenant_id, id")).await,
        );
    }
    rows
}

/// A stack without processes on a database of the old version, whose names are in all kinds of forms.
async fn old_stack() -> Stack {
    let stack = stopped_stack().await;
    downgrade(&stack).await;
    let school = stack.school().clone();
    let own = cheap_hash_of("own");
    // The last file gave `default`; since then one user has chosen a password.
    let strasse = old_password(&school, "Straße", "default");
    insert_user(
        &stack,
        &school,
        "Straße",
        ", password_hash, password_fingerprint, row_digest, surname",
        &format!(", '{own}', {}, gen_random_uuid(), 'Alt'", strasse.fingerprint),
    )
    .await;
    // This one's is not hashed yet, and its barcode is in another form.
    let sande = old_password(&school, "l.sande\u{301}", "default");
    insert_user(
        &stack,
        &school,
        "l.sande\u{301}",
        ", password_sealed, password_fingerprint, row_digest, library_barcode",
        &format!(", {}, {}, gen_random_uuid(), 'E\u{301}  7'", sande.sealed, sande.fingerprint),
    )
    .await;
    for username in ["k.mo\u{200B}en", "σοφος", "Plain", "Ærlig"] {
        insert_user(&stack, &school, username, ", row_digest", ", gen_random_uuid()").await;
    }
    // No file can name it, so there is nothing to compare it by.
    insert_user(&stack, &school, "\u{200B}", "", "").await;
    stack
        .execute(&format!(
            "insert into presentation_groups values ('{}', gen_random_uuid(), 'E\u{301}le\u{300}ves\u{A0} 7')",
            school.id
        ))
        .await;
    stack
        .execute("update users set presentation_group_id = (select id from presentation_groups) where username = 'Ærlig'")
        .await;
    stack.execute("update users set row_digest = gen_random_uuid() where username = 'Ærlig'").await;
    for kind in ["library", "system"] {
        stack
            .execute(&format!(
                "insert into {kind}_groups (tenant_id, id, name)
                 values ('{}', gen_random_uuid(), 'Anne\u{301}e  8')",
                school.id
            ))
            .await;
    }
    stack
}

#[tokio::test]
async fn names_of_an_old_database_are_brought_into_their_form() {
    let stack = old_stack().await;
    let plain = stack.row("select xmin::text, ctid::text from users where username = 'Plain'").await;

    let printed = stack.rollcall(&["migrate"]).await.unwrap();
    assert!(printed.contains(RECOMPUTE), "{printed}");
    assert!(stack.database.is_migrated().await.unwrap());
    let again = stack.rollcall(&["migrate"]).await.unwrap();
    assert!(again.starts_with("The tables are already up to date."), "{again}");

    let users = stack
        .rows(
            "select username, username_key, library_barcode, password_owner, row_digest is not null as has_digest
               from users where username <> 'autoimport' order by id",
        )
        .await;
    let user = |username: &str, key: &str, barcode: Option<&str>, owner: Option<&str>, has_digest: bool| {
        json!({"username": username, "username_key": key, "library_barcode": barcode, "password_owner": owner,
               "has_digest": has_digest})
    };
    assert_eq!(
        users,
        [
            // The digest is of what the row says of its user, not of the user's name.
            user("Straße", "strasse", None, Some("straße"), true),
            user("l.sande\u{301}", "l.sandé", Some("É 7"), Some("l.sande\u{301}"), false),
            user("k.mo\u{200B}en", "k.moen", None, Some("k.mo\u{200B}en"), true),
            user("σοφος", "σοφοσ", None, Some("σοφος"), true),
            user("Plain", "plain", None, None, true),
            // A member of a group that has another label now.
            user("Ærlig", "ærlig", None, None, false),
            user("\u{200B}", "\u{200B}", None, None, false),
        ]
    );
    assert_eq!(
        stack.row("select xmin::text, ctid::text from users where username = 'Plain'").await,
        plain,
        "a name that is in its form is not written"
    );
    assert_eq!(stack.row("select label from presentation_groups").await, json!({"label": "Élèves 7"}));
    for kind in ["library", "system"] {
        let groups = stack.rows(&format!("select name from {kind}_groups where name like 'A%8'")).await;
        assert_eq!(groups, [json!({"name": "Année 8"})]);
    }
}

/// Waits until no password is sealed.
async fn wait_until_hashed(stack: &Stack) {
    eventually("every password is hashed", async || {
        stack.rows("select id from users where password_sealed is not null").await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn users_of_an_old_database_are_found_under_every_spelling_and_keep_their_passwords() {
    let mut stack = old_stack().await;
    stack.rollcall(&["migrate"]).await.unwrap();

    // The same passwords work, the sealed one before and after it is hashed.
    stack.start_api().await;
    for username in ["Straße", "STRASSE", "strasse"] {
        assert_eq!(login(&stack, username, "own").await, 403, "{username}");
    }
    for username in ["l.sandé", "L.SANDE\u{301}"] {
        assert_eq!(login(&stack, username, "default").await, 403, "{username}");
    }
    stack.start_worker();
    wait_until_hashed(&stack).await;
    let file = "username,password,surname,barcode,presentationgrouplabel\n\
                STRASSE,default,Neu,,\n\
                L.SANDÉ,default,,E\u{301}  7,\n\
                K.Moen,,,,\n\
                ΣΟΦΟΣ,,,,\n\
                PLAIN,,,,\n\
                ærlig,,,,E\u{301}lèves\u{A0}7\n";
    stack.post_users(file).await.is(200, &result(&[Row::Updated; 6]));
    let count =
        stack.row("select count(*), count(distinct presentation_group_id) as groups from users").await;
    assert_eq!(count, json!({"count": 8, "groups": 1}), "no user and no group has a double");
    assert_eq!(
        stack.row("select surname from users where username = 'Straße'").await,
        json!({"surname": "Neu"})
    );
    // The file is the same as the last one, so it resets no password that its owner has chosen.
    assert_eq!(login(&stack, "straße", "own").await, 403);
    assert_eq!(login(&stack, "straße", "default").await, 401);
    assert_eq!(login(&stack, "l.sandé", "default").await, 403);
    // A new password is applied, hashed, and recognised by the next file.
    for _ in 0..2 {
        stack.post_users("username,password\nstraße,second\n").await.is(200, &result(&[Row::Updated]));
        eventually("the password is hashed", async || {
            stack
                .rows("select id from users where password_sealed is not null")
                .await
                .is_empty()
                .then_some(())
        })
        .await;
        assert_eq!(login(&stack, "STRASSE", "second").await, 403);
    }
    let groups = "username,library-group,system-group\nSTRAẞE,Anne\u{301}e  8,Année\u{A0}8\n";
    stack.post_groups(groups).await.is(200, &result(&[Row::Updated]));
}

async fn id(stack: &Stack, query: &str) -> String {
    stack.row(query).await["id"].as_str().unwrap().to_owned()
}

/// Resolves the collisions as the message says.
async fn apply_remedies(stack: &Stack, eszett: &str, capitals: &str, marked: &str) {
    let remedies = [
        format!("update users set username = 'Street', username_key = lower('Street') where id = '{eszett}'"),
        format!("delete from users where id = '{marked}'"),
        format!("update users set library_barcode = null where id = '{capitals}'"),
    ];
    for statement in remedies {
        stack.execute(&statement).await;
    }
    let (kept, dropped) = ("Année 8", "Anne\u{301}e 8");
    let group = async |table: &str, column: &str, name: &str| {
        id(stack, &format!("select id from {table} where {column} = '{name}'")).await
    };
    let (kept_id, dropped_id) = (
        group("presentation_groups", "label", kept).await,
        group("presentation_groups", "label", dropped).await,
    );
    stack
        .execute(&format!(
            "update users set presentation_group_id = '{kept_id}' where presentation_group_id = '{dropped_id}'"
        ))
        .await;
    stack.execute(&format!("delete from presentation_groups where id = '{dropped_id}'")).await;
    let renamed = group("library_groups", "name", dropped).await;
    stack.execute(&format!("update library_groups set name = 'Another' where id = '{renamed}'")).await;
    let (kept_id, dropped_id) =
        (group("system_groups", "name", kept).await, group("system_groups", "name", dropped).await);
    stack
        .execute(&format!(
            "insert into system_group_members select tenant_id, user_id, '{kept_id}' from system_group_members
                 where group_id = '{dropped_id}' on conflict do nothing"
        ))
        .await;
    stack.execute(&format!("delete from system_groups where id = '{dropped_id}'")).await;
}

#[tokio::test]
async fn names_that_would_become_the_same_are_listed_and_nothing_is_changed() {
    let stack = stopped_stack().await;
    let school = stack.school().clone();
    // The same names are other users' in another tenant.
    let other = stack.add_tenant("other").await;
    downgrade(&stack).await;
    for tenant in [&school, &other] {
        insert_user(&stack, tenant, "straße", ", library_barcode", ", 'B 1'").await;
    }
    insert_user(&stack, &school, "STRASSE", ", library_barcode, surname", ", 'B  1', 'Kept'").await;
    insert_user(&stack, &school, "Strasse\u{FEFF}", "", "").await;
    // Would only have its key changed.
    insert_user(&stack, &school, "σοφος", "", "").await;
    for (table, name) in
        [("presentation_groups", "label"), ("library_groups", "name"), ("system_groups", "name")]
    {
        for spelling in ["Année 8", "Anne\u{301}e 8"] {
            stack
                .execute(&format!(
                    "insert into {table} (tenant_id, id, {name})
                     values ('{}', gen_random_uuid(), '{spelling}')",
                    school.id
                ))
                .await;
        }
    }
    stack
        .execute(
            "update users set presentation_group_id =
                 (select id from presentation_groups where label = normalize(label, NFD)) where username = 'σοφος'",
        )
        .await;
    let before = tables(&stack).await;

    let refusal = stack.rollcall(&["migrate"]).await.unwrap_err();
    let id = async |query: &str| stack.row(query).await["id"].as_str().unwrap().to_owned();
    let user = async |key: &str| {
        id(&format!("select id from users where username_key = '{key}' and tenant_id = '{}'", school.id))
            .await
    };
    let (eszett, capitals, marked) =
        (user("straße").await, user("strasse").await, user("strasse\u{FEFF}").await);
    for line in [
        "6 names in use would become the same as another one, so nothing was changed:".to_owned(),
        format!(
            "  tenant school, username \"strasse\": \"straße\" (user {eszett}) and \"STRASSE\" (user {capitals})\n"
        ),
        format!(
            "  tenant school, username \"strasse\": \"straße\" (user {eszett}) and \"Strasse\\u{{feff}}\" (user {marked})\n"
        ),
        format!("  tenant school, barcode \"B 1\": \"B 1\" (user {eszett}) and \"B  1\" (user {capitals})\n"),
        "  tenant school, presentation group \"Année 8\": ".to_owned(),
        "  tenant school, library group \"Année 8\": ".to_owned(),
        "  tenant school, system group \"Année 8\": ".to_owned(),
        "\"Anne\\u{301}e 8\" (group ".to_owned(),
        "run `rollcall migrate` again".to_owned(),
    ] {
        assert!(refusal.contains(&line), "{line:?} is not in:\n{refusal}");
    }
    assert!(!refusal.contains("tenant other"), "{refusal}");
    let without_owner = |mut rows: Vec<Value>| {
        for row in &mut rows {
            row.as_object_mut().unwrap().remove("password_owner");
        }
        rows
    };
    assert_eq!(without_owner(tables(&stack).await), before);
    assert!(!stack.database.is_migrated().await.unwrap());

    apply_remedies(&stack, &eszett, &capitals, &marked).await;
    stack.rollcall(&["migrate"]).await.unwrap();
    assert!(stack.database.is_migrated().await.unwrap());
    let keys = stack
        .rows("select username, username_key, library_barcode, password_owner from users where username <> 'autoimport' order by id")
        .await;
    let user = |username: &str, key: &str, barcode: Option<&str>, owner: Option<&str>| json!({"username": username, "username_key": key, "library_barcode": barcode, "password_owner": owner});
    assert_eq!(
        keys,
        [
            // Renamed by an operator: passwords stay bound to the name that they were bound to.
            user("Street", "street", Some("B 1"), Some("straße")),
            user("straße", "strasse", Some("B 1"), Some("straße")),
            user("STRASSE", "strasse", None, None),
            user("σοφος", "σοφοσ", None, Some("σοφος")),
        ]
    );
}

#[tokio::test]
async fn a_long_list_of_collisions_is_cut_short() {
    let stack = stopped_stack().await;
    downgrade(&stack).await;
    stack
        .execute(&format!(
            "insert into users (tenant_id, id, username, username_key, enabled, staff_member)
             select '{}', gen_random_uuid(), name || n, name || n, true, true
               from generate_series(1, 12000) as n, unnest(array['weiß', 'weiss']) as name",
            stack.school().id
        ))
        .await;
    let refusal = stack.rollcall(&["migrate"]).await.unwrap_err();
    assert!(refusal.contains("12000 names in use would become the same"), "{refusal}");
    assert_eq!(refusal.lines().filter(|line| line.contains("tenant school, username")).count(), 50);
    assert!(refusal.contains("\n  and 11950 more\n"), "{refusal}");

    stack.execute("delete from users where username like 'weiss%'").await;
    stack.rollcall(&["migrate"]).await.unwrap();
    let keys = stack.row("select count(*) from users where username_key like 'weiss%'").await;
    assert_eq!(keys, json!({"count": 12000}));
}

#[tokio::test]
async fn an_administrator_logs_in_under_every_spelling() {
    let stack = Stack::new().await;
    let mut conn = stack.database.connection().await.unwrap();
    for username in ["k.møen", "l.sandé", "Straße"] {
        account::add_administrator(&mut conn, stack.school().id, username, cheap_hash()).await.unwrap();
    }
    for username in [
        "k.møen",
        "K.MØEN",
        "l.sande\u{301}",
        "L.SANDE\u{301}",
        "L.SANDÉ",
        "straße",
        "strasse",
        "STRASSE",
        "STRAẞE",
        // As a browser or a spreadsheet hands it on.
        "\u{FEFF}straße",
        "k.møen ",
    ] {
        assert_eq!(login(&stack, username, PASSWORD).await, 200, "{username:?}");
    }
    for username in ["k.moen", "l.sande", "strase", "stras se"] {
        assert_eq!(login(&stack, username, PASSWORD).await, 401, "{username:?}");
    }

    // The import and the operator's command mean the same accounts.
    let file = "username,surname\nK.MØEN,One\nL.SANDE\u{301},Two\nSTRASSE,Three\n";
    stack.post_users(file).await.is(200, &result(&[Row::Updated; 3]));
    let added = stack
        .rollcall(&["admin", "add", "school", "\u{FEFF}STRASSE ", "--if-missing", "--json"])
        .await
        .unwrap();
    assert_eq!(added, "{\"outcome\":\"unchanged\",\"tenant\":\"school\",\"username\":\"Straße\"}\n");
}

#[tokio::test]
async fn a_group_is_stored_in_one_form_and_found_by_every_spelling() {
    let stack = Stack::new().await;
    let add =
        async |name: &str| stack.rollcall(&["group", "add", "school", name, "--library", "--json"]).await;
    let group = r#""group":{"kind":"library","name":"Année 8","grants_administration":false}}"#;
    assert_eq!(
        add(" Anne\u{301}e\u{A0} 8\u{200B}").await.unwrap(),
        format!("{{\"outcome\":\"created\",{group}\n")
    );
    for spelling in ["Année 8", "Anne\u{301}e 8", "Année  8"] {
        assert_eq!(add(spelling).await.unwrap(), format!("{{\"outcome\":\"unchanged\",{group}\n"));
    }
    // A group's name is compared in upper and lower case.
    assert!(add("année 8").await.unwrap().contains("created"));
    for (spelling, why) in [
        ("Ann\u{200B}ée 8", "a group's name must not contain invisible characters"),
        ("Ann\u{AD}ée 8", "a group's name must not contain invisible characters"),
        ("Année\t8", "a group's name must not contain control characters"),
        ("\u{FEFF} ", "a group's name must have at least one character"),
    ] {
        let refusal = add(spelling).await.unwrap_err();
        assert!(refusal.contains(why), "{refusal}");
    }
    let stored = stack.rows("select name from library_groups order by name collate \"C\"").await;
    assert_eq!(stored, [json!({"name": "Année 8"}), json!({"name": "année 8"})]);
}
