-- $1 the service's role, $2 a password for it. For `grant_service.sql`, in the same transaction.
select set_config('rollcall.service_role', $1, true), set_config('rollcall.service_password', $2, true)
