//! Group imports (contract §5): three columns make memberships of existing users in existing groups, each stored once, and
//! never of another tenant's (invariant 9).

use rollcall_tests::harness::{Row, Stack, result};
use serde_json::{Value, json};

const HEADER: &str = "username,library-group,system-group";
const UNKNOWN: &str = "Field (username) is not a known user. ";
const NO_LIBRARY: &str = "Field (libraryGroup) is not a defined library group. ";
const NO_SYSTEM: &str = "Field (systemGroup) is not a defined system group. ";
const NO_GROUP: &str = "Row names no group. ";

/// A stack whose tenant `school` has the users jane, john and Kim, and some groups.
async fn school() -> Stack {
    let stack = Stack::new().await;
    stack.define_groups(stack.school(), &["Year 12", "Année 8", "Both"], &["Borrowers", "Both"]).await;
    stack
        .post_users("username,enabled,staffmember\njane,y,y\njohn,y,y\nKim,y,y\n")
        .await
        .is(200, &result(&[Row::Created; 3]));
    stack
}

/// The members of each group, except the administrators.
async fn members(stack: &Stack) -> Vec<(String, String)> {
    let rows = stack
        .rows(
            "select username, 'library ' || name as name
               from library_group_members m
               join users u on (u.tenant_id, u.id) = (m.tenant_id, m.user_id)
               join library_groups g on (g.tenant_id, g.id) = (m.tenant_id, m.group_id)
             union all
             select username, 'system ' || name
               from system_group_members m
               join users u on (u.tenant_id, u.id) = (m.tenant_id, m.user_id)
               join system_groups g on (g.tenant_id, g.id) = (m.tenant_id, m.group_id)
              where not grants_administration
              order by 1, 2",
        )
        .await;
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "username"), text(row, "name"))).collect()
}

fn pairs(members: &[(&str, &str)]) -> Vec<(String, String)> {
    members.iter().map(|(user, group)| ((*user).to_owned(), (*group).to_owned())).collect()
}

#[tokio::test]
async fn membership_is_stored_once_through_either_endpoint() {
    let stack = school().await;
    let file = format!(
        "{HEADER}\njane,Year 12,Borrowers\nJOHN,Both,\nkim,,Both\n Kim , Année 8 , \njane,Year 12,\n"
    );
    let expected = r#"{"success":true,"summary":"5 users processed. 0 users created. 5 users updated. 0 users failed."}"#;
    let stored = pairs(&[
        ("Kim", "library Année 8"),
        ("Kim", "system Both"),
        ("jane", "library Year 12"),
        ("jane", "system Borrowers"),
        ("john", "library Both"),
    ]);
    stack.post_groups(&file).await.is(200, expected);
    assert_eq!(members(&stack).await, stored);
    // A user may be a member already.
    stack.post_groups(&file).await.is(200, expected);
    stack.post_users(&file).await.is(200, expected);
    assert_eq!(members(&stack).await, stored);

    let one = stack.post_groups(format!("{HEADER}\njohn,Year 12,\n")).await;
    one.is(
        200,
        r#"{"success":true,"summary":"1 user processed. 0 users created. 1 user updated. 0 users failed."}"#,
    );
    let kinds = stack.rows("select distinct endpoint, kind from imports order by endpoint, kind").await;
    assert_eq!(
        kinds,
        [
            json!({"endpoint": "userGroups", "kind": "memberships"}),
            json!({"endpoint": "users", "kind": "memberships"}),
            json!({"endpoint": "users", "kind": "users"}),
        ]
    );
}

#[tokio::test]
async fn problems_use_the_contracts_words() {
    let stack = school().await;
    let long = "x".repeat(256);
    let long_row = format!("{long},{long},{long}");
    let all = format!("{UNKNOWN}{NO_LIBRARY}{NO_SYSTEM}");
    let unknown_and_none = format!("{UNKNOWN}{NO_GROUP}");
    let empty_and_undefined_system = format!("Field (username) may not be empty. {NO_SYSTEM}");
    let empty_and_undefined = format!("Field (username) may not be empty. {NO_LIBRARY}");
    let both_groups = format!("{NO_LIBRARY}{NO_SYSTEM}");
    let surplus = "Row has 4 values but the header has 3 columns. ";
    let cases: [(&str, Row<'_>); 20] = [
        ("stranger,Year 12,Borrowers", Row::Failed(UNKNOWN)),
        ("jane,Year 13,", Row::Failed(NO_LIBRARY)),
        ("jane,,Lenders", Row::Failed(NO_SYSTEM)),
        // The case of a group's name matters, and the two kinds are separate.
        ("jane,year 12,", Row::Failed(NO_LIBRARY)),
        ("jane,Year12,", Row::Failed(NO_LIBRARY)),
        ("jane,Borrowers,", Row::Failed(NO_LIBRARY)),
        ("jane,,Year 12", Row::Failed(NO_SYSTEM)),
        ("jane,,", Row::Failed(NO_GROUP)),
        ("jane, ,\t", Row::Failed(NO_GROUP)),
        ("jane", Row::Failed(NO_GROUP)),
        ("stranger,,", Row::Failed(&unknown_and_none)),
        (",,-", Row::Failed(&empty_and_undefined_system)),
        (",Year 12,", Row::Failed("Field (username) may not be empty. ")),
        (",Year 13,", Row::Failed(&empty_and_undefined)),
        ("stranger,Year 13,Lenders", Row::Failed(&all)),
        (&long_row, Row::Failed(&all)),
        // One valid group does not save the row.
        ("john,Both,Lenders", Row::Failed(NO_SYSTEM)),
        ("john,x,y", Row::Failed(&both_groups)),
        ("stranger,Both,Both,surplus", Row::Failed(surplus)),
        ("kim,Both,Both, ,", Row::Updated),
    ];
    let file: String = cases.iter().map(|(row, _)| format!("{row}\n")).collect();
    let expected = result(&cases.map(|(_, outcome)| outcome));
    stack.post_groups(format!("{HEADER}\n{file}")).await.is(200, &expected);
    assert_eq!(members(&stack).await, pairs(&[("Kim", "library Both"), ("Kim", "system Both")]));
    stack.post_users(format!("{HEADER}\n{file}")).await.is(200, &expected);

    stack.post_groups(format!("{HEADER}\nstranger,Both,\njane,Both,\n")).await.is(
        200,
        r#"{"success":false,"summary":"2 users processed. 0 users created. 1 user updated. 1 user failed.","details":{"1":"Field (username) is not a known user. User failed to import: Field (username) is not a known user. ","2":"User Updated"}}"#,
    );
    // Imports create no groups.
    assert_eq!(stack.rows("select id from library_groups").await.len(), 3);
    assert_eq!(stack.rows("select id from system_groups where not grants_administration").await.len(), 2);
}

#[tokio::test]
async fn other_tenants_groups_and_users_are_unknown() {
    let stack = school().await;
    let elsewhere = stack.add_tenant("elsewhere").await;
    stack.define_groups(&elsewhere, &["Theirs"], &[]).await;
    let file = format!("{HEADER}\njane,Year 12,\nautoimport,Theirs,\nautoimport,Year 12,\n");
    let unknown = format!("{UNKNOWN}{NO_LIBRARY}");
    stack
        .post_users_of(&elsewhere, file)
        .await
        .is(200, &result(&[Row::Failed(&unknown), Row::Updated, Row::Failed(NO_LIBRARY)]));
    assert_eq!(members(&stack).await, pairs(&[("autoimport", "library Theirs")]));
}

#[tokio::test]
async fn columns_make_a_file_a_group_import() {
    let stack = school().await;
    let updated = result(&[Row::Updated]);
    // In any order and spelling. Other columns are ignored and reported.
    for (header, row) in [
        ("System Group;Library_Group;USERNAME", "Both;Both;jane"),
        ("systemgroup\tusername\tlibrarygroup", "Both\tjohn\tBoth"),
        ("note,username,library-group,system-group,house", "x,kim,Both,Both,Red"),
    ] {
        stack.post_users(format!("{header}\n{row}\n")).await.is(200, &updated);
    }
    assert_eq!(members(&stack).await.len(), 6);
    let job = &stack.get("/api/import/jobs").await.json()["jobs"][0];
    assert_eq!((&job["kind"], &job["ignoredColumns"]), (&json!("memberships"), &json!(["note", "house"])));

    // Posted as groups, the file needs all three columns.
    for (header, missing) in [
        ("username,library-group", "system-group"),
        ("username,system-group", "library-group"),
        ("library-group,system-group", "username"),
        ("username,enabled,staffmember", "library-group, no system-group"),
    ] {
        let summary = stack.post_groups(format!("{header}\na,b,c\n")).await.is_failure(400);
        assert!(summary.contains(&format!("the file has no {missing} column")), "{summary}");
        assert!(summary.contains("Add what is missing"), "{summary}");
    }
    // Posted as users, a file with some of the columns is refused: it must not report updates and skip the groups.
    for header in ["username,library-group", "username,system-group"] {
        let summary = stack.post_users(format!("{header}\njane,Both\n")).await.is_failure(400);
        assert!(summary.contains("Add what is missing"), "{summary}");
    }
    for header in
        ["username,library-group,library group,system-group", "username,USERNAME,library-group,system-group"]
    {
        let summary = stack.post_users(format!("{header}\njane,Both\n")).await.is_failure(400);
        assert!(summary.contains("Keep one of them"), "{summary}");
    }
}
