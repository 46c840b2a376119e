-- Of the tenant that is set in the transaction: COPY takes no values.
copy (select username_key, id from users where tenant_id = current_tenant()) to stdout (format binary)
