-- Run by the postgres image when its volume is empty: the role and the database of rostersync. The role owns its database
-- and nothing else. The superuser keeps no password: it is reached from inside the database's container only.
\getenv password POSTGRES_PASSWORD
CREATE ROLE rostersync LOGIN PASSWORD :'password';
CREATE DATABASE rostersync OWNER rostersync;
ALTER ROLE postgres PASSWORD NULL;
