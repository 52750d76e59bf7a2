-- Run once, as the superuser, when the volume is new: the roles and the control
-- database. Nobody works as the superuser afterwards.
\set ON_ERROR_STOP on
\getenv app_password WOSOOL_DB_PASSWORD
\getenv admin_password WOSOOL_DB_ADMIN_PASSWORD

-- DATABASE_URL: owns the control database and nothing else.
CREATE ROLE wosool_app LOGIN PASSWORD :'app_password'
    NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

-- TENANT_DATABASE_URLS: makes tenants' databases and their login roles.
CREATE ROLE wosool_admin LOGIN PASSWORD :'admin_password'
    NOSUPERUSER CREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS;

CREATE DATABASE wosool OWNER wosool_app TEMPLATE template0 ENCODING 'UTF8';

-- A tenant's role reaches its own database only. `wosool migrate` reads this
-- back: it may not do it itself, since it owns none of these databases.
REVOKE CONNECT, TEMPORARY ON DATABASE wosool, postgres, template0, template1 FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE wosool TO wosool_app;
GRANT CONNECT ON DATABASE postgres TO wosool_admin;
