-- Whether the key ranges of a chunk are free: no user of the tenant between the least and the greatest username key,
-- and no barcode between the least and the greatest barcode.
select not exists (select from users where tenant_id = $1 and username_key between $2 and $3),
       not exists (select from users where tenant_id = $1 and library_barcode between $4 and $5)
