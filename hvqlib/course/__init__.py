"""Share what the notebooks use: data and the shipped detector, checks, figures, widgets.

In: everything else in hvqlib. Out: `material` (data sets, truth of samples), `checks`, `figures`, `widgets`,
`painting`, `feature_pictures`, `results` (rows of saved experiments), `photo_list` and `stand_in` (folders of
photographs, read and made), and `foundry`, the data set that is drawn.
"""
