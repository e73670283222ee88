"""Keys of the tests, as `TOKEN_ENCRYPTION_KEYS` holds them."""

import base64

KEY_1 = "v1:" + base64.urlsafe_b64encode(b"1" * 32).decode()
KEY_2 = "v2:" + base64.urlsafe_b64encode(b"2" * 32).decode()
