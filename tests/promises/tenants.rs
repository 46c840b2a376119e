//! Adding a tenant says which URLs it breaks: those without `tenantId`, which find the only tenant there is.

use rollcall_tests::harness::{Options, Stack};
use serde_json::{Value, json};

/// Adds a tenant with `--json`, and returns what the command wrote and its standard error.
async fn add(stack: &Stack, arguments: &[&str]) -> (Value, String) {
    let arguments = [&["--json", "tenant", "add"], arguments].concat();
    let (output, errors) = stack.rollcall_streams(&arguments).await.expect("the tenant can be added");
    (serde_json::from_str(&output).expect("one line of JSON"), errors)
}

#[tokio::test]
async fn second_tenant_warns_of_urls_without_tenant_id() {
    let stack = Options::default().without_tenant().workers(0).start().await;
    let (first, errors) = add(&stack, &["north"]).await;
    assert_eq!((&first["outcome"], &first["warning"], &*errors), (&json!("created"), &Value::Null, ""));

    let (second, errors) = add(&stack, &["south", "--host", "south.example"]).await;
    let warning = second["warning"].as_str().expect("a warning");
    for text in ["2 tenants", "north has no host name", "?tenantId=", "--add-host"] {
        assert!(warning.contains(text), "{warning:?} contains {text:?}");
    }
    assert!(!warning.contains("south"), "{warning}");
    assert_eq!(errors, format!("warning: {warning}\n"));

    let (third, _) = add(&stack, &["east"]).await;
    let warning = third["warning"].as_str().expect("a warning");
    assert!(warning.contains("3 tenants") && warning.contains("east, north have no host name"), "{warning}");
    // Nothing changes, so nothing stops working.
    let (again, errors) = add(&stack, &["east", "--if-missing"]).await;
    assert_eq!((&again["outcome"], &again["warning"], &*errors), (&json!("unchanged"), &Value::Null, ""));

    for name in ["north", "east"] {
        let host = format!("{name}.example");
        stack.rollcall(&["tenant", "set", name, "--add-host", &host]).await.expect("a host can be added");
    }
    let (fourth, errors) = add(&stack, &["west", "--host", "west.example"]).await;
    assert_eq!((&fourth["warning"], &*errors), (&Value::Null, ""));
    // As text, the warning is on standard error, and the output is as it was.
    let (output, errors) = stack.rollcall_streams(&["tenant", "add", "fifth"]).await.expect("it is new");
    assert!(output.starts_with("Added the tenant fifth."), "{output}");
    assert!(errors.starts_with("warning: there are 5 tenants now, and fifth has no host name."), "{errors}");
}
