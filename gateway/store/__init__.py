"""What outlives the process. The only SQL in the gateway is in here."""

from gateway.store.database import Database
from gateway.store.keys import Keys
from gateway.store.models import Models
from gateway.store.settings import CallSettingsStore
from gateway.store.store import Store

__all__ = ["CallSettingsStore", "Database", "Keys", "Models", "Store"]
