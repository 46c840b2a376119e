select library_barcode, id, username_key
  from users
 where tenant_id = $1 and library_barcode = any($2)
