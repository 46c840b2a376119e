drop table chunk_outcomes, imports, system_group_members, library_group_members, users,
    system_groups, library_groups, presentation_groups, tenant_hosts, tenants;
