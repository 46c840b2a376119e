drop function forget_audit(timestamptz);
drop table audit;
drop function audit_is_append_only();
-- What tokens submitted keeps its name in `submitted_as`; the release before wants an account's id.
update imports set submitted_by = submitted_token where submitted_by is null;
alter table imports
    drop constraint imports_submitter,
    drop column submitted_token,
    drop column submitted_from,
    alter column submitted_by set not null;
drop function find_import_token(bytea);
drop table import_tokens;
drop view familiar_logins;
drop table login_networks;
