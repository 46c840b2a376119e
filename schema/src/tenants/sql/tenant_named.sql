select id, name, upload_limit_bytes from every_tenant where name = $1
