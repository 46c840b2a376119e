//! An import leaves administrators their login (§4).

use super::*;

const HEADER: &str = "username,enabled,password,surname\n";

fn with_administrators() -> Tenant {
    let mut tenant = tenant();
    tenant.define_administration_group("Admins");
    rows(&mut tenant, "boss,y,y,,,\nann,y,y,,,\n");
    assert!(tenant.put_system_member("boss", "Admins"));
    tenant
}

fn import(tenant: &mut Tenant, rows: &str) -> usize {
    tenant.apply(Users, format!("{HEADER}{rows}").as_bytes(), None).protected_rows
}

#[test]
fn only_the_login_is_protected() {
    let mut tenant = with_administrators();
    assert_eq!(import(&mut tenant, "BOSS,n,change,Roe\nann,n,change,Doe\nboss,y,,Moe\n"), 1);
    let boss = tenant.user("boss").unwrap();
    assert_eq!((boss.enabled, boss.surname.as_deref()), (true, Some("Moe")));
    assert_eq!((&boss.login_password, &boss.password_applied), (&None, &None));
    let ann = tenant.user("ann").unwrap();
    assert_eq!((ann.enabled, ann.login_password.as_deref()), (false, Some("change")));
    // The fingerprint was left, too, so that the next file says it again.
    assert_eq!(import(&mut tenant, "boss,y,change,\nboss,n,,\n"), 2);
    assert_eq!(import(&mut tenant, "boss,n,change,,surplus\n"), 0);
}

#[test]
fn a_password_that_the_policy_would_not_apply_is_no_matter() {
    let mut tenant = with_administrators();
    tenant.password_policy = PasswordPolicy::OnCreate;
    assert_eq!(import(&mut tenant, "boss,y,change,\n"), 0);
    tenant.password_policy = PasswordPolicy::Always;
    assert_eq!(import(&mut tenant, "boss,y,change,\n"), 1);
}

#[test]
fn memberships_count_as_the_file_before_left_them() {
    let mut tenant = with_administrators();
    assert_eq!(import(&mut tenant, "ann,n,first,\n"), 0);
    let answer = tenant.apply(UserGroups, b"username,library-group,system-group\nANN,,Admins\n", None);
    assert_eq!((answer.status, answer.protected_rows), (200, 0));
    // A disabled administrator may be enabled, and stays so.
    assert_eq!(import(&mut tenant, "ann,n,first,\nann,y,,\nann,n,,\nann,,second,\n"), 2);
    assert!(tenant.user("ann").unwrap().enabled);
    assert_eq!(tenant.user("ann").unwrap().login_password.as_deref(), Some("first"));
}

#[test]
fn the_tenant_may_turn_the_protection_off() {
    let mut tenant = with_administrators();
    tenant.protect_administrators = false;
    assert_eq!(import(&mut tenant, "boss,n,change,\n"), 0);
    assert!(!tenant.user("boss").unwrap().enabled);
}
