"""What `ddb-pipeline verify` writes, looks at and reports: the parts of a verification on a real account.

`writing` makes items that ask a question by what becomes of them, `evidence` reads what became of them, `observations`
says what that means for the design, `report` makes a page of it that can be shown to anybody.
"""
