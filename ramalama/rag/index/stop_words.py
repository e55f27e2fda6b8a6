"""Words that say nothing about what a question asks for, in a few languages."""

from __future__ import annotations

from typing import Final

_ENGLISH: Final = """
a about above after again all also am an and another any anyone anything are as at be because been
before being below between both but by can cannot could did do does doing done down during each
either else ever every few for from further get gets give given gives go goes had has have having
he her here hers him his how however i if in instead into is it its itself just kind know let like
many may me might more most much must my need needs neither no nor not now of off on once one only
or other our ours out over own per please possible quite rather really same say says shall she
should show since so some someone something sort still such tell than that the their theirs them
then there these they thing things this those through thus to too under until up upon us use used
uses using very via want wants was way ways we well were what when where whether which while who
whom whose why will with within without would yes yet you your yours yourself myself hello hi thank
thanks
"""
_GERMAN: Final = """
aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bin bis
bitte da damit dann das dass dein deine dem den denn der des dessen die dies diese diesem diesen
dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas euch euer für gegen
gibt geht haben hat hatte hier ich ihm ihn ihnen ihr ihre im in ins ist ja jede jedem jeden jeder
jedes kann kein keine keinen können man mein meine mich mir mit muss müssen nach nicht nichts noch
nur ob oder ohne sehr sein seine sich sie sind so soll sollte um und uns unser vom von vor wann
warum was weil welche welchem welchen welcher welches wenn wer werden wie wieso wird wo wofür
womit woran wozu wurde wurden zu zum zur über
"""
_FRENCH: Final = """
ai au aucun aussi autre aux avec avoir c ce ces cet cette chaque ci comme comment d dans de des
donc du elle elles en est et eux fait faire faut il ils j je l la le les leur leurs lui là ma mais
me mes moi mon même n ne nos notre nous on ont ou où par pas peut plus pour pourquoi puis qu quand
que quel quelle quelles quels qui quoi s sa sans se ses si son sont sur ta te tes toi ton tous
tout toute toutes très tu un une vos votre vous y à être
"""
_SPANISH: Final = """
al algo algún alguna algunas algunos ante antes aquel como con contra cual cuales cuando cuál
cuáles cuándo cómo de del desde donde dos dónde e el ella ellas ellos en entre era eran es esa
esas ese eso esos esta estas este esto estos está están fue ha hace hacer han hasta hay la las le
les lo los me mi mis más muy ni no nos nosotros o para pero poco por porque puede pueden puedo que
quien quién qué se ser si sin sobre son su sus sí también te tengo tiene tienen todo todos tu tus
un una unas uno unos y ya yo
"""

STOP_WORDS: Final = frozenset(f"{_ENGLISH} {_GERMAN} {_FRENCH} {_SPANISH}".split())
