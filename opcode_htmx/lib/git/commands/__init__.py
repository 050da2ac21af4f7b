"""Commands of git that change a repository, and what a person has to know before each."""
