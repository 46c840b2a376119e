-- $1 worker
update workers set stopping = true where id = $1
