drop table hashing_turns;
