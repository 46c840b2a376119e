//! A tenant's imports are listed newest first, in pages that stay stable while new ones arrive (contract §1).

use rollcall_tests::harness::Stack;
use serde_json::Value;

const USERS: &str = "/api/import/users";
const JOBS: &str = "/api/import/jobs";

#[tokio::test]
async fn jobs_are_listed_newest_first_in_pages() {
    let stack = Stack::new().await;
    let elsewhere = stack.add_tenant("elsewhere").await;
    let mut posted = Vec::new();
    for n in 0..7 {
        let answer = stack
            .send(stack.upload(
                &format!("{USERS}?tenantId=school"),
                format!("username,enabled,staffmember\nu{n},y,y\n"),
            ))
            .await;
        posted.insert(0, answer.header("location").unwrap().rsplit('/').next().unwrap().to_owned());
        stack.post_users_of(&elsewhere, "username\n").await;
    }
    let page = async |query: &str| stack.get(&format!("{JOBS}?tenantId=school{query}")).await.json();
    let ids = |page: &Value| {
        let jobs = page["jobs"].as_array().unwrap();
        jobs.iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = page("").await;
    assert_eq!((ids(&all), &all["next"]), (posted.clone(), &Value::Null));
    let newest = &all["jobs"][0];
    assert_eq!(newest["state"], "finished");
    assert_eq!(newest["summary"], "1 user processed. 1 user created. 0 users updated. 0 users failed.");
    for (name, count) in [("processed", 1), ("created", 1), ("updated", 0), ("failed", 0)] {
        assert_eq!(newest["rows"][name], count, "{name}");
    }
    assert_eq!(newest["submittedBy"], "autoimport");

    for size in [1, 2, 3, 7] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = page(&format!("&limit={size}&cursor={cursor}")).await;
            let found = ids(&page);
            assert!(found.len() <= size);
            seen.extend(found);
            match &page["next"] {
                Value::Null => break,
                next => next.as_str().unwrap().clone_into(&mut cursor),
            }
            if seen.len() == 3 {
                // A new import shifts no page.
                stack.send(stack.upload(&format!("{USERS}?tenantId=school"), "")).await;
            }
        }
        assert_eq!(seen.len(), seen.iter().collect::<std::collections::HashSet<_>>().len());
        assert_eq!(seen[seen.len() - 7..], posted, "{size}");
    }
    for query in ["&limit=0", "&limit=501", "&limit=many", "&cursor=x", "&cursor=-1", "&limit=1&limit=2"] {
        let summary = stack.get(&format!("{JOBS}?tenantId=school{query}")).await.is_failure(400);
        assert!(summary.contains("limit") || summary.contains("cursor"), "{summary}");
    }
}
