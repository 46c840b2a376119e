//! The tables as diesel knows them. The README describes their columns; a test compares them with the database. Columns and
//! tables that only hand-written SQL uses (the lease's holder, the presentation groups) are left out.

diesel::table! {
    installation (only_row) {
        only_row -> Bool,
        sealed_directly -> Bool,
        upload_store -> Nullable<Uuid>,
    }
}

diesel::table! {
    service_keys (id) {
        id -> Text,
        added_at -> Timestamptz,
    }
}

diesel::table! {
    data_keys (id) {
        id -> Integer,
        purpose -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    wrapped_keys (service_key_id, data_key_id) {
        service_key_id -> Text,
        data_key_id -> Integer,
        wrapped -> Binary,
    }
}

diesel::table! {
    tenants (id) {
        id -> Uuid,
        name -> Text,
        password_policy -> Text,
        upload_limit_bytes -> BigInt,
        max_queued_imports -> Integer,
        protect_administrators -> Bool,
        presentation_group_limit -> Integer,
        last_position -> BigInt,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    tenant_hosts (tenant_id, host) {
        tenant_id -> Uuid,
        host -> Text,
    }
}

diesel::table! {
    /// A view.
    every_tenant (id) {
        id -> Uuid,
        name -> Text,
        upload_limit_bytes -> BigInt,
    }
}

diesel::table! {
    /// A view.
    every_import (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        submitted_at -> Timestamptz,
        upload_deleted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    library_groups (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
    }
}

diesel::table! {
    system_groups (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        grants_administration -> Bool,
    }
}

diesel::table! {
    users (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        username -> Text,
        username_key -> Text,
        given_name -> Nullable<Text>,
        surname -> Nullable<Text>,
        middle_name -> Nullable<Text>,
        preferred_name -> Nullable<Text>,
        email_address -> Nullable<Text>,
        graduation_year -> Nullable<SmallInt>,
        library_barcode -> Nullable<Text>,
        admin_system_id -> Nullable<Text>,
        gender -> Nullable<Text>,
        form_class -> Nullable<Text>,
        enabled -> Bool,
        staff_member -> Bool,
        presentation_group_id -> Nullable<Uuid>,
        password_hash -> Nullable<Text>,
        password_sealed -> Nullable<Binary>,
        password_fingerprint -> Nullable<Binary>,
        password_owner -> Nullable<Text>,
        row_digest -> Nullable<Uuid>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    library_group_members (tenant_id, user_id, group_id) {
        tenant_id -> Uuid,
        user_id -> Uuid,
        group_id -> Uuid,
    }
}

diesel::table! {
    system_group_members (tenant_id, user_id, group_id) {
        tenant_id -> Uuid,
        user_id -> Uuid,
        group_id -> Uuid,
    }
}

diesel::table! {
    import_tokens (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        name -> Text,
        digest -> Binary,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        last_used_from -> Nullable<Text>,
    }
}

diesel::table! {
    audit (id) {
        id -> BigInt,
        tenant_id -> Nullable<Uuid>,
        at -> Timestamptz,
        actor_kind -> Text,
        actor -> Text,
        origin -> Text,
        action -> Text,
        object -> Text,
        details -> Nullable<Text>,
    }
}

diesel::table! {
    imports (tenant_id, id) {
        tenant_id -> Uuid,
        id -> Uuid,
        queue_position -> BigInt,
        endpoint -> Text,
        kind -> Nullable<Text>,
        state -> Text,
        upload_bytes -> BigInt,
        submitted_token -> Nullable<Uuid>,
        submitted_as -> Text,
        submitted_at -> Timestamptz,
        traceparent -> Nullable<Text>,
        attempt -> Integer,
        failures -> Integer,
        lease_until -> Nullable<Timestamptz>,
        not_before -> Timestamptz,
        publish_count -> Integer,
        published_at -> Nullable<Timestamptz>,
        started_at -> Nullable<Timestamptz>,
        finished_at -> Nullable<Timestamptz>,
        created -> BigInt,
        updated -> BigInt,
        failed -> BigInt,
        rows_total -> Nullable<BigInt>,
        encoding -> Nullable<Text>,
        delimiter -> Nullable<Text>,
        ignored_columns -> Array<Text>,
        warnings -> Array<Text>,
        failure -> Nullable<Text>,
        failure_kind -> Nullable<Text>,
        upload_deleted_at -> Nullable<Timestamptz>,
        dead_lettered_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    chunk_outcomes (tenant_id, import_id, first_row) {
        tenant_id -> Uuid,
        import_id -> Uuid,
        first_row -> BigInt,
        rows -> Integer,
        outcomes -> Binary,
        problems -> Array<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(data_keys, wrapped_keys);

diesel::allow_tables_to_appear_in_same_query!(every_tenant, every_import);
diesel::allow_tables_to_appear_in_same_query!(
    tenants,
    tenant_hosts,
    users,
    system_groups,
    system_group_members,
    library_groups,
    library_group_members,
    imports,
    chunk_outcomes,
);
