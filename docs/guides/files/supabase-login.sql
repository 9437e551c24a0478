-- Only for WS_AUTHORIZER=postgres: the role by which Portcullis logs in. It can do nothing but become `authenticated`.
-- Put a password of your own in place of the one here.

create role portcullis_login login noinherit password 'change-me';
grant authenticated to portcullis_login;
