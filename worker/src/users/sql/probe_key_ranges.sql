-- Whether the key ranges of a chunk are free: no user of the tenant between the least and the greatest username key,
-- and no barcode between the least and the greatest barcode. Not `not exists`, which would drop the
-- order, and with it the choice of the index.
select (select username_key
          from users
         where tenant_id = $1 and username_key between $2 and $3
         order by username_key
         limit 1) is null,
       (select library_barcode
          from users
         where tenant_id = $1 and library_barcode between $4 and $5
         order by library_barcode
         limit 1) is null
