"""Words in names of landmarks that say little: kinds of building, articles, contrasts.

Out: `KINDS`, what each word for a kind of building means in English; `FILLERS`, words that
     may go; `CONTRASTS`, words that tell two landmarks of one name apart.

All are plain: lower case, no accents (`gazetteer_search.plain`).
"""

from __future__ import annotations

_KINDS = {
    "mosque": "mosque masjid masjed mosquee moschee moschea mezquita mesquita cami camii djami",
    "fort": "fort fortress forteresse festung fortezza fortaleza qila qilla quila kila qala kale",
    "castle": "castle chateau schloss castello castillo castelo kasteel zamek hrad kalesi",
    "palace": "palace palais palacio palazzo palast paleis palac saray sarayi",
    "bridge": "bridge pont ponte puente brucke bruecke brug most kopru koprusu",
    "tower": "tower tour torre turm toren wieza kule kulesi minar minare minaret",
    "church": "church eglise iglesia chiesa igreja kirche kerk kosciol kilise kilisesi",
    "cathedral": "cathedral cathedrale catedral cattedrale kathedrale dom duomo",
    "basilica": "basilica basilique basilika",
    "temple": "temple tempel templo tempio mandir tapinagi tapinak",
    "tomb": "tomb mausoleum mausolee mausoleo mazar maqbara turbe turbesi tombeau",
    "museum": "museum musee museo museu muze muzesi muzeum",
    "square": "square place platz plaza piazza praca plein namesti meydan meydani chowk",
    "gate": "gate porte puerta porta tor darwaza kapi kapisi",
    "monument": "monument monumento denkmal pomnik anit aniti",
    "statue": "statue statua estatua heykeli",
    "fountain": "fountain fontaine fontana fuente brunnen cesme cesmesi",
    "theatre": "theatre theater teatro tiyatrosu",
    "garden": "garden gardens jardin jardins giardino garten bagh bahcesi",
    "lake": "lake lac lago lagoon golu",
    "park": "park parc parque parco parki",
    "hotel": "hotel oteli",
    "library": "library bibliotheque biblioteca bibliothek kutuphanesi",
    "station": "station gare bahnhof estacion stazione gari",
    "market": "market marche mercado mercato markt bazaar bazar carsi carsisi",
}
KINDS = {word: kind for kind, words in _KINDS.items() for word in words.split()}

_FILLERS = (
    "the of in at on and a an de la le les du des d l da do dos das di del della dei el los las "
    "al ul e der die das den von zu und en et y ve photo photos image images pictures"
)
FILLERS = frozenset(_FILLERS.split())

CONTRASTS = tuple(
    frozenset(words.split())
    for words in (
        "north south east west nord sud est ouest northern southern eastern western",
        "upper lower old new inner outer left right big small great little grand petit petite",
        "first second third one two three i ii iii iv",
        "day night summer winter inside outside interior exterior",
    )
)
