"""Methods on images: depth, alone or with colours."""
