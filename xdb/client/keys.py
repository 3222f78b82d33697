"""The client's own key, from the keystore that a context names."""

from xdb.client.context import Context
from xdb.errors import ConfigError
from xdb.store.keystore import LocalKey, read_keystore
from xdb.store.password import read_password


def open_key(context: Context, password: str | None = None) -> LocalKey:
    """Opens the keystore with `password`, else with what the context's password file says."""
    if password is None:
        if context.password_file is None:
            raise ConfigError(
                f"the password of {context.keystore} is not known: give it, or name a "
                "password_file in the context"
            )
        password = read_password(context.password_file)
    return LocalKey(read_keystore(context.keystore, password))
