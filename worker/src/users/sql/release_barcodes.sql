update users set library_barcode = null where tenant_id = $1 and id = any($2)
