"""Full disks and kills: the old file or the new one, whatever happens while it is written."""
