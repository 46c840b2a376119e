-- Long after it could still be asked whether one of them lives.
delete from workers where seen_at < now() - interval '30 days'
