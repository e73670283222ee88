"""What Instagram and Facebook share: the Graph API's errors, parameters, fields, paging and usage headers."""
