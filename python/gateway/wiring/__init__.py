"""How the parts are put together. Only these modules and `gateway.app` build concrete classes; none holds logic."""
