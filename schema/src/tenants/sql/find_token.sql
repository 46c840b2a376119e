-- $1 SHA-256 of the token. Its tenant is not known yet; the function gives ids only.
select tenant_id, id from find_import_token($1)
